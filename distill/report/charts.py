"""Charts as inline SVG. Colours are the page's classes, so that light, dark and print follow one style."""

from html import escape
from math import ceil, isfinite
from textwrap import wrap

from distill.report.blocks import Block, Model

WIDTH = 860
LABEL = 330  # px kept left for the task names
LETTERS = 46  # that fit there in a line
ROW = 34


def overview(blocks: list[Block]) -> str:
    """Every block's first metric on one percent axis: a mark a model, a bar for the standard deviation."""
    first = [
        cell for block in blocks for (metric, _), cell in block.cells.items() if metric == block.metrics[0]
    ]
    top = max(cell.mean + (cell.std or 0) for cell in first)
    end = max(10, min(100, 10 * ceil(top * 1.02 / 10)))
    height = ROW * len(blocks) + 34
    parts = [_open(WIDTH, height, "Each task's first metric in percent, for every model")]

    def x(value: float) -> float:
        return LABEL + value / end * (WIDTH - LABEL - 24)

    for tick in range(0, end + 1, 10 if end <= 60 else 20):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="6" y2="{height - 26}"/>')
        parts.append(_text(f"{tick} %", x(tick), height - 8, "middle", "axis"))
    for number, block in enumerate(blocks):
        y, metric = ROW * number + 24, block.metrics[0]
        name = f"{block.task.title.split(' (')[0]}, {block.task.read_as(metric)}"
        lines = wrap(name, LETTERS)
        for line, text in enumerate(lines):
            parts.append(_text(text, LABEL - 16, y + 4 + 14 * (line - (len(lines) - 1) / 2), "end"))
        values = [block.cells[metric, model].mean for model in block.models if (metric, model) in block.cells]
        if values:
            parts.append(_across("span", x(min(values)), x(max(values)), y))
        for model in block.models:
            cell = block.cells.get((metric, model))
            if cell is None:
                continue
            if cell.std:
                low, high = x(max(0, cell.mean - cell.std)), x(min(end, cell.mean + cell.std))
                parts.append(_across(f"error {_kind(model)}", low, high, y))
            tip = f"{model.label} ({model.init}, {model.backbone}): {cell}, {block.seeds[model]}"
            parts.append(f"<g><title>{escape(tip)}</title>{_mark(model, x(cell.mean), y)}</g>")
    return "".join([*parts, "</svg>"])


def legend(blocks: list[Block]) -> str:
    """A line that names the marks in use."""
    kinds = {_kind(model): model for block in blocks for model in block.models}
    others = sorted({model.init for block in blocks for model in block.models if _kind(model) == "other"})
    names = {"random": "random weights", "distilled": "distilled", "other": ", ".join(others)}
    names["teacher"] = "teacher"
    entries = [
        f'<span><svg width="16" height="16" aria-hidden="true">{_mark(kinds[kind], 8, 8)}</svg> '
        f"{escape(name)}</span>"
        for kind, name in names.items() if kind in kinds
    ]  # fmt: skip
    return f'<p class="legend">{"".join(entries)}</p>'


def curve(points: list[tuple[int, float]], title: str, most: int = 400) -> str:
    """A loss over steps; long curves are thinned to ``most`` points, the last kept."""
    width, height, left, bottom = 410, 210, 52, 30
    shown = points[:: max(1, len(points) // most)]
    if shown[-1] != points[-1]:
        shown = [*shown, points[-1]]
    first, last = shown[0][0], shown[-1][0]
    losses = [loss for _, loss in shown if isfinite(loss)]
    if not losses:
        return "<p>The logged losses are not finite.</p>"
    low, high = min(losses), max(losses)
    pad = (high - low) * 0.06 or 0.5

    def at(step: float, loss: float) -> tuple[float, float]:
        x = left + (step - first) / max(1, last - first) * (width - left - 14)
        return x, 10 + (high + pad - loss) / (high - low + 2 * pad) * (height - bottom - 10)

    parts = [_open(width, height, f"Loss over steps of {title}: {points[0][1]:.3f} to {points[-1][1]:.3f}")]
    for loss in (low, (low + high) / 2, high):
        y = at(first, loss)[1]
        parts.append(_across("grid", left, width - 14, y))
        parts.append(_text(f"{loss:.3g}", left - 8, y + 4, "end", "axis"))
    parts.append(_text(f"step {first:,}", left, height - 8, "start", "axis"))
    parts.append(_text(f"{last:,}", width - 14, height - 8, "end", "axis"))
    places = [at(step, loss) for step, loss in shown if isfinite(loss)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    if len(places) == 1:
        parts.append(f'<circle class="distilled" cx="{places[0][0]:.1f}" cy="{places[0][1]:.1f}" r="4"/>')
    return "".join([*parts, "</svg>"])


def _open(width: int, height: int, name: str) -> str:
    size = f'viewBox="0 0 {width} {height}" style="max-width:{width}px"'
    return f'<svg role="img" aria-label="{escape(name, quote=True)}" {size}>'


def _text(text: str, x: float, y: float, anchor: str, kind: str = "name") -> str:
    return f'<text class="{kind}" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _across(kind: str, start: float, end: float, y: float) -> str:
    return f'<line class="{kind}" x1="{start:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _kind(model: Model) -> str:
    return model.init if model.init in ("random", "distilled", "teacher") else "other"


def _mark(model: Model, x: float, y: float) -> str:
    """Kinds differ in shape as well as in colour: ring, disc, diamond, square."""
    kind = _kind(model)
    if kind == "teacher":
        return f'<path class="teacher" d="M{x:.1f} {y - 7:.1f}l7 7l-7 7l-7-7z"/>'
    if kind == "other":
        return f'<rect class="other" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>'
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
