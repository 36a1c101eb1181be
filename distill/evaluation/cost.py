"""What a plan costs on this machine, and how it is shown."""

from __future__ import annotations

import time

import torch

from distill.backbones import Backbone
from distill.data import sets
from distill.data.labelled import LabelledSet
from distill.evaluation.features import PARTS, Extraction, evaluation_mode
from distill.evaluation.plan import Cell, Plan
from distill.features import Pictures

TIMED = 16  # images of a set that pass through the network to see how long one takes


def seconds_per_image(backbone: Backbone, images: LabelledSet, extraction: Extraction) -> float:
    """Reading, preparing and passing through the network, in one process: the fastest of three batches."""
    pictures = Pictures(images, extraction.view)
    device, count = next(backbone.parameters()).device, min(TIMED, len(images))
    seconds = []
    with evaluation_mode(backbone), torch.no_grad():
        for _ in range(3):
            start = time.perf_counter()
            batch = torch.stack([pictures[row][1] for row in range(count)])
            backbone(batch.to(device)).cpu()
            seconds.append((time.perf_counter() - start) / count)
    return min(seconds)


def measure(plan: Plan, backbone: Backbone, extraction: Extraction) -> dict[str, float]:
    """Seconds an image takes, by the sets on which something is to run."""
    todo = {cell.data: cell.val for cell in plan.todo}
    return {data: seconds_per_image(backbone, val, extraction) for data, val in todo.items()}


def plan_lines(plan: Plan, extraction: Extraction, seconds: dict[str, float]) -> list[str]:
    """The plan for readers; ``seconds`` an image takes, by set."""
    shared = {data: _shared(plan, data, extraction) for data in plan.data}
    trained = {data: sum(cell.passes() for cell in plan.on(data) if cell.trains) for data in plan.data}
    images = {data: shared[data] + trained[data] for data in seconds}
    total = sum(seconds[data] * count for data, count in images.items())
    lines = [f"plan: {len(plan.todo)} to run, {len(plan.done)} whose rows are there"]
    for data in plan.data:
        lines += _set_lines(plan, data, shared[data], seconds.get(data, 0.0))
    if plan.todo:
        lines += [
            f"in all {sum(images.values()):,} images to pass through the network, about {duration(total)}: "
            "timed in one process, forward alone, without what",
            "  protocols do with the features; where the network is trained along, about three times as long",
        ]
    lines += [f"missing: {line}" for line in plan.missing]
    return lines + left_out(plan)


def left_out(plan: Plan) -> list[str]:
    """Which protocols do not fit which set, and why."""
    return [
        f"left out{f' on {data}' if data else ''}: {', '.join(tasks)}: {reason}"
        for (data, reason), tasks in plan.unfit.items()
    ]


def _set_lines(plan: Plan, data: str, shared: int, seconds: float) -> list[str]:
    train, val = plan.data[data]
    known = sets.declared().get(data)
    published = f" (published: {known.train:,} + {known.val:,})" if known else ""
    timed = f", {1000 * seconds:.1f} ms each" if seconds else ""
    lines = [f"{data or val.root}: {len(train):,} + {len(val):,} images{published}{timed}"]
    if shared:
        lines.append(f"  features: {_cost(shared, seconds)}")
    for cell in plan.on(data):
        cost = _cost(cell.passes(), seconds) if cell.trains else "on the features"
        lines.append(f"  {_task(cell)}: {cost}")
    return lines + [f"  {_task(cell)}: its row is there" for cell in plan.done if cell.data == data]


def _task(cell: Cell) -> str:
    return cell.evaluator.protocol.name


def _cost(images: int, seconds: float) -> str:
    return f"{images:,} images, {duration(images * seconds)}"


def _shared(plan: Plan, data: str, extraction: Extraction) -> int:
    """The number of images whose features are extracted, each as often as they are."""
    lengths = dict(zip(PARTS, map(len, plan.data[data]), strict=True))
    return sum(lengths[part] for parts in plan.extractions(data, extraction).values() for part in parts)


def duration(seconds: float) -> str:
    """
    >>> duration(5400)
    '1.5 h'
    """
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
