"""One task's published rows with ours in front of them."""

from dataclasses import dataclass

from distill.report.blocks import Block
from distill.report.published import facts, published
from distill.results.protocol import Protocol


@dataclass(frozen=True)
class Line:
    """One row of the comparison; ``source`` is "" for ours. ``values`` maps metrics to text, in percent."""

    method: str
    teacher: str
    student: str
    data: str
    values: dict[str, str]
    source: str
    note: str
    same_student: bool


def comparison(task: Protocol, blocks: list[Block]) -> tuple[list[Line], list[str]]:
    """Ours, then the published rows, those of our students marked; and the metrics that both have.

    A published metric that none of ours measures is shown only if no other is in common. Where
    nothing is published the lines are ours alone and the metrics are empty.
    """
    measured = {metric for block in blocks for metric in block.metrics}
    known = published(task.published or task.name)
    metrics = list(dict.fromkeys(metric for row in known for metric in row.values))
    metrics = [metric for metric in metrics if metric in measured] or metrics
    known = [row for row in known if any(metric in row.values for metric in metrics)]
    lines = []
    for block in blocks:
        for model in block.models:
            cells = {metric: block.cells.get((metric, model)) for metric in metrics}
            values = {metric: str(cell) for metric, cell in cells.items() if cell}
            note = f"{model.init}, {block.seeds[model]}"
            lines.append(Line(model.label, "", model.backbone, block.data, values, "", note, True))
    models = [model for block in blocks for model in block.models if model.init != "teacher"]
    students = {facts()["students"].get(model.backbone) for model in models}
    for row in known:
        lines.append(Line(**vars(row), same_student=row.student in students))
    return lines, metrics


def by_task(blocks: list[Block]) -> list[list[Block]]:
    """The blocks of each task, in the order of the tasks."""
    names = dict.fromkeys(block.task.name for block in blocks)
    return [[block for block in blocks if block.task.name == name] for name in names]
