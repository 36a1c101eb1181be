"""Every protocol on every known data set: what is to run, what is measured already, what is missing."""

from __future__ import annotations

import json
import os
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from distill.backbones import Backbone
from distill.backbones.weights import Weights
from distill.data import sets
from distill.data.labelled import LabelledSet
from distill.errors import UserError, expected
from distill.evaluation.features import PARTS, Extraction, extract_both, extractions, place_of
from distill.evaluation.run import Evaluator, Result, evaluate, misfit, settings_of
from distill.results.protocol import Protocol

Pair = tuple[LabelledSet, LabelledSet]


@dataclass(frozen=True)
class Cell:
    """One protocol on one data set; ``data`` is a known set's name, "" for a folder."""

    evaluator: Evaluator
    data: str
    train: LabelledSet
    val: LabelledSet

    @property
    def name(self) -> str:
        return f"{self.evaluator.protocol.name} on {self.data or self.val.root}"

    @property
    def trains(self) -> bool:
        return self.evaluator.protocol.kind == "images"

    def passes(self) -> int:
        """How many images pass through the network for this protocol; those of shared features do not count.

        ``evaluator.passes(train, val)`` tells it from the numbers of images, else all training images pass
        in each of ``evaluator.epochs`` and the validation images once.
        """
        train, val = len(self.train), len(self.val)
        if hasattr(self.evaluator, "passes"):
            return self.evaluator.passes(train, val)
        return getattr(self.evaluator, "epochs", 1) * train + val


@dataclass(frozen=True)
class Plan:
    """Cells to run, and cells whose row is there.

    ``missing`` says what sets are not there; ``unfit`` names the protocols by set and why they do not fit it.
    """

    todo: list[Cell] = field(default_factory=list)
    done: list[Cell] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unfit: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Pair]:
        """The sets of all cells."""
        return {cell.data: (cell.train, cell.val) for cell in [*self.todo, *self.done]}

    def on(self, data: str) -> list[Cell]:
        return [cell for cell in self.todo if cell.data == data]

    def extractions(self, data: str, extraction: Extraction) -> dict[Extraction, set[str]]:
        """Each way in which features of a set are made, and of which parts."""
        return extractions([cell.evaluator.protocol for cell in self.on(data)], extraction)


def sets_of(protocol: Protocol) -> tuple[str, ...]:
    """The known sets on which its paper reports a protocol; without such a word, all of them."""
    return protocol.sets or tuple(sets.declared())


def load_sets(
    names: Iterable[str], root: str | os.PathLike, download: bool = False
) -> tuple[dict[str, Pair], list[str]]:
    """Name -> images, of the sets that are there; and what to say of the others.

    Raises:
        UserError: a name that is no known set's.
    """
    found, missing, known = {}, [], sets.declared()
    for name in names:
        try:
            found[name] = sets.load(name, root, download)
        except UserError as error:
            if name not in known:
                raise
            missing.append(str(error))
    return found, missing


def make_plan(
    evaluators: Iterable[Evaluator],
    data: dict[str, Pair],
    is_done: Callable[[Cell], bool],
    missing: Sequence[str] = (),
    everywhere: bool = True,
) -> Plan:
    """Set by set, each protocol: on every set, or only on those on which its paper reports it."""
    plan = Plan(missing=list(missing))
    evaluators = list(evaluators)
    for name, (train, val) in data.items():
        for evaluator in evaluators:
            if not everywhere and name not in sets_of(evaluator.protocol):
                continue
            cell = Cell(evaluator, name, train, val)
            if reason := misfit(evaluator.protocol, train, val):
                plan.unfit.setdefault((name, reason), []).append(evaluator.protocol.name)
            else:
                (plan.done if is_done(cell) else plan.todo).append(cell)
    return plan


def done_before(
    rows: Iterable[dict], backbone: Backbone, weights: Weights, extraction: Extraction, seed: int
) -> Callable[[Cell], bool]:
    """Tells the cells of which there is a row: the same task, data, weights, settings and seed."""
    known = {_identity(row, row.get("settings", {})) for row in rows}

    def is_done(cell: Cell) -> bool:
        settings = settings_of(backbone, cell.train, cell.val, extraction, cell.evaluator)
        task = cell.evaluator.protocol.name
        row = {"task": task, "data": cell.data, "sha256": weights.sha256, "seed": seed}
        return _identity(row, settings) in known

    return is_done


def _identity(row: dict, settings: dict) -> str:
    """What two measurements of the same thing share; where a known set lies does not matter."""
    kept = {key: value for key, value in settings.items() if key not in ("workers", "batch_size")}
    for part in PARTS:
        if isinstance(kept.get(part), dict):
            found = dict(kept[part])
            found["images"] = found.get("images", 0) + found.pop("unreadable", 0)
            kept[part] = found | ({"folder": ""} if row.get("data") else {})
    told = [row.get("task"), row.get("data", ""), row.get("sha256"), row.get("seed")]
    return json.dumps([*told, kept], sort_keys=True)


def run_plan(
    plan: Plan,
    backbone: Backbone,
    extraction: Extraction,
    failed: list[str],
    work_dir: str | os.PathLike,
    keep: str | os.PathLike | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Result]:
    """Yields the results of all cells to run, set by set; one that fails does not stop the others.

    Args:
        failed: is given a line for each cell that failed; one that nobody expected shows its traceback.
        keep: the features are kept in its folders, one a set: see ``extract``.
    """
    for data in plan.data:
        with tempfile.TemporaryDirectory() if keep is None else nullcontext(Path(keep) / data) as place:
            with suppress(Exception):  # the cells that need these features try again and tell
                extract_shared(plan, data, backbone, extraction, place, say)
            for cell in plan.on(data):
                line = say if cell.trains else lambda _: None
                pair = cell.train, cell.val
                try:
                    (result,) = evaluate(
                        backbone, *pair, [cell.evaluator], extraction, line, work_dir, place, data
                    )
                except Exception as error:
                    reason, _ = expected(error)
                    if not reason:
                        traceback.print_exc()
                    failed.append(f"{cell.name}: {reason or str(error) or type(error).__name__}")
                    say(f"failed: {failed[-1]}")
                else:
                    yield result


def extract_shared(
    plan: Plan,
    data: str,
    backbone: Backbone,
    extraction: Extraction,
    place: str | os.PathLike,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Writes the features of a set for all cells to run on it; several processes share the work."""
    for own, parts in plan.extractions(data, extraction).items():
        extract_both(backbone, *plan.data[data], own, say, place_of(place, own, extraction), parts)
