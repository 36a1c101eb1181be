"""The same tables as Markdown, to paste into a note or a pull request."""

from distill.report.blocks import Block, Model, metric_name
from distill.report.comparison import comparison

INTRO = (
    "Percent; ± is the sample standard deviation over seeds; in brackets the difference to random weights of "
    "the same backbone."
)


def markdown(blocks: list[Block], superseded: int) -> str:
    """One table a task and protocol, then the published numbers of our students."""
    parts = ["# Distillation report", INTRO]
    if superseded:
        parts.append(f"{superseded} older measurements of the same thing are left out.")
    parts += [_table(block) for block in blocks]
    parts += filter(
        None, (_published(task, blocks) for task in dict.fromkeys(block.task for block in blocks))
    )
    return "\n\n".join(parts) + "\n"


def _table(block: Block) -> str:
    head = ["metric", *(f"{m.init}: {m.label} ({m.backbone}, {block.seeds(m)})" for m in block.models)]
    lines = [
        [metric_name(metric), *(_cell(block, metric, m) for m in block.models)] for metric in block.metrics
    ]
    return f"## {block.title}\n\nData: {block.data or 'unknown'}. {block.notes}\n\n{_grid(head, lines)}"


def _cell(block: Block, metric: str, model: Model) -> str:
    cell, gain = block.cells.get((metric, model)), block.gain(metric, model)
    if cell is None:
        return ""
    return f"{cell}" + (f" ({gain:+.1f})" if gain is not None else "")


def _published(task: str, blocks: list[Block]) -> str:
    of_task = [block for block in blocks if block.task == task]
    lines, metrics = comparison(task, of_task)
    shown = [line for line in lines if line.source and line.same_student]
    if not shown:
        return ""
    head = ["method", "teacher", "student", "data", *map(metric_name, metrics), "source"]
    rows = [
        [of.method, of.teacher, of.student, of.data, *(of.values.get(m, "") for m in metrics), of.source]
        for of in shown
    ]
    return f"## Published: {of_task[0].title}\n\n{_grid(head, rows)}"


def _grid(head: list[str], lines: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, lines)])
