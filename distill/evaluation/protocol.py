"""From a backbone and two image folders to the numbers of every evaluator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from distill.backbones import Backbone
from distill.data.labelled import LabelledFolder, check_same_classes
from distill.evaluation.cluster_alignment import ClusterAlignment
from distill.evaluation.features import Extraction, Features, extract
from distill.evaluation.knn import KNN
from distill.evaluation.linear import Linear
from distill.evaluation.retrieval import Retrieval

EVALUATORS_OF_TASKS = {kind.task: kind for kind in (KNN, Linear, ClusterAlignment, Retrieval)}


class Evaluator(Protocol):
    """A dataclass whose fields are its settings; registered in ``distill.registry.EVALUATORS``."""

    task: str

    def run(self, train: Features, val: Features) -> dict[str, float]:
        """Name -> percent. Global random state stays as it was."""


@dataclass(frozen=True)
class Result:
    """What one evaluator measured, with all that shaped it; ``seconds`` without the extraction."""

    task: str
    metrics: dict[str, float]
    settings: dict
    seconds: float


def evaluate(
    backbone: Backbone,
    train: LabelledFolder,
    val: LabelledFolder,
    evaluators: Iterable[Evaluator],
    extraction: Extraction,
    say: Callable[[str], None] = print,
    keep: str | os.PathLike | None = None,
) -> Iterator[Result]:
    """Extracts the features of both folders once, then yields each evaluator's result as it comes.

    Args:
        say: is given a line of progress at a time, corrupt images among them.
        keep: folder for the features: see ``extract_both``.

    Raises:
        UserError: the folders' classes differ, or what ``extract`` and the evaluators raise.
    """
    check_same_classes(train, val)
    features = extract_both(backbone, train, val, extraction, say, keep)
    shared = asdict(extraction) | {"resize": extraction.shorter_side}
    for part, folder, found in zip(("train", "val"), (train, val), features, strict=True):
        shared[part] = {
            "folder": str(folder.root), "images": len(found.x), "unreadable": len(found.unreadable),
        }  # fmt: skip
    for evaluator in evaluators:
        start = time.perf_counter()
        metrics = evaluator.run(*features)
        settings = shared | {evaluator.task: asdict(evaluator)}
        yield Result(evaluator.task, metrics, settings, time.perf_counter() - start)


def extract_both(
    backbone: Backbone,
    train: LabelledFolder,
    val: LabelledFolder,
    extraction: Extraction,
    say: Callable[[str], None] = lambda line: None,
    keep: str | os.PathLike | None = None,
) -> tuple[Features, Features]:
    """Features of the training and the validation images; says how many and which could not be read.

    Args:
        keep: they are kept in its folders ``train`` and ``val``: see ``extract``.
    """
    features = []
    for part, folder in (("train", train), ("val", val)):
        start = time.perf_counter()
        found = extract(backbone, folder, extraction, None if keep is None else Path(keep) / part)
        seconds = time.perf_counter() - start
        say(f"{folder.root}: {len(found.x)} images, {len(found.classes)} classes, {seconds:.1f} s")
        for path in found.unreadable:
            say(f"skipped, could not be read: {path}")
        features.append(found)
    return tuple(features)


def format_table(results: Iterable[Result]) -> list[str]:
    """An aligned table, a line a result."""
    results = list(results)
    width = max((len(result.task) for result in results), default=0)
    lines = []
    for result in results:
        values = "  ".join(f"{name} {value:5.1f}" for name, value in result.metrics.items())
        lines.append(f"{result.task:<{width}}  {values}")
    return lines
