"""The overview: every task's first metric on one axis."""

from html import escape
from math import ceil, isfinite
from textwrap import wrap

from distill.report import svg
from distill.report.blocks import Block, Model

WIDTH = 860
LABEL = 330  # px kept left for the task names
LETTERS = 44  # that fit there in a line
ROW = 34


def overview(blocks: list[Block]) -> str:
    """Every block's first metric on one percent axis: a mark a model, a bar for the standard deviation."""
    first = [
        cell.mean + (cell.std or 0)
        for block in blocks for (metric, _), cell in block.cells.items() if metric == block.metrics[0]
    ]  # fmt: skip
    end = max(10, min(100, 10 * ceil(max(filter(isfinite, first), default=0) * 1.02 / 10)))
    height = ROW * len(blocks) + 34
    parts = []

    def x(value: float) -> float:
        return LABEL + min(end, max(0, value)) / end * (WIDTH - LABEL - 24)

    for tick in range(0, end + 1, 10 if end <= 60 else 20):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="6" y2="{height - 26}"/>')
        parts.append(svg.text(f"{tick} %", x(tick), height - 8, "middle", "axis"))
    for number, block in enumerate(blocks):
        y, metric = ROW * number + 24, block.metrics[0]
        name = f"{block.task.title.split(' (')[0]}, {block.task.read_as(metric)}"
        if block.known:
            lines = [svg.clip(name, LETTERS), svg.clip(block.data, LETTERS)]
        else:
            lines = wrap(svg.clip(name, 2 * LETTERS), LETTERS)[:2]
        for line, text in enumerate(lines):
            parts.append(svg.text(text, LABEL - 16, y + 4 + 14 * (line - (len(lines) - 1) / 2), "end"))
        cells = {
            model: cell for model in block.models
            if (cell := block.cells.get((metric, model))) and isfinite(cell.mean)
        }  # fmt: skip
        values = [cell.mean for cell in cells.values()]
        if values:
            parts.append(svg.across("span", x(min(values)), x(max(values)), y))
        seeds = block.seeds
        for model, cell in cells.items():
            if cell.std:
                low, high = x(cell.mean - cell.std), x(cell.mean + cell.std)
                parts.append(svg.across(f"error {kind(model)}", low, high, y))
            tip = f"{svg.clip(model.label, 80)} ({model.init}, {model.backbone}): {cell}, {seeds[model]}"
            parts.append(f"<g><title>{escape(svg.clip(tip, 300))}</title>{_mark(model, x(cell.mean), y)}</g>")
    return svg.picture(WIDTH, height, "Each task's first metric in percent, for every model", parts)


def legend(blocks: list[Block]) -> str:
    """A line that names the marks in use."""
    kinds = {kind(model): model for block in blocks for model in block.models}
    others = sorted({model.init for block in blocks for model in block.models if kind(model) == "other"})
    names = {"random": "random weights", "distilled": "distilled", "other": svg.clip(", ".join(others), 80)}
    names["teacher"] = "teacher"
    entries = [
        f'<span><svg width="16" height="16" aria-hidden="true">{_mark(kinds[own], 8, 8)}</svg> '
        f"{escape(name)}</span>"
        for own, name in names.items() if own in kinds
    ]  # fmt: skip
    return f'<p class="legend">{"".join(entries)}</p>'


def kind(model: Model) -> str:
    """The class of a model's marks and columns."""
    return model.init if model.init in ("random", "distilled", "teacher") else "other"


def _mark(model: Model, x: float, y: float) -> str:
    """Kinds differ in shape as well as in colour: ring, disc, diamond, square."""
    own = kind(model)
    if own == "teacher":
        return f'<path class="teacher" d="M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7-7z"/>'
    if own == "other":
        return f'<rect class="other" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>'
    return f'<circle class="{own}" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
