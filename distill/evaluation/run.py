"""From a backbone and labelled images to the numbers of every evaluator."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from distill.backbones import Backbone
from distill.backbones.weights import Weights, state_sha256
from distill.data import sets
from distill.data.labelled import LabelledSet, different_classes
from distill.distributed import world_size
from distill.errors import UserError, unknown
from distill.evaluation.features import (
    PARTS,
    Extraction,
    extract_both,
    extractions,
    place_of,
    prepared,
)
from distill.evaluation.random_state import untouched_random_state
from distill.registry import EVALUATORS
from distill.results import make_row
from distill.results.protocol import Protocol

# A frozen dataclass whose fields are its settings and whose ``protocol`` is a ``Protocol``, registered in
# ``EVALUATORS``. ``run`` gives name -> percent, or an ``Outcome``; global random state stays as it was. It
# takes, by kind, ``(train: Features, val: Features)``, None for a part that the protocol does not look at, or
# ``(images: Images)``. One on features that says ``keeps_files = True`` is given, as ``folder``, the work dir
# as well, or None. One that trains on images may have ``passes``: see ``distill.evaluation.plan.Cell``. One
# that not all training labels serve has ``check_labels(train: LabelledSet)``, which raises UserError.
Evaluator = Any


@dataclass(frozen=True)
class Outcome:
    """What an evaluator found, if it is more than its metrics.

    Attributes:
        metrics: name -> percent.
        details: what a metric is made of, such as the accuracy of each class; JSON.
        figures: name -> path of a picture that the evaluator wrote.
    """

    metrics: dict[str, float]
    details: dict = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Images:
    """What a protocol on images gets.

    Attributes:
        backbone: the network, on its device; it must stay as it is.
        train, val: labelled images of the same classes.
        extraction: how validation images become network input; ``image_size`` is that of training crops too.
        folder: a folder for the run's files, its name derived from all that shapes the result: a run found
            there is the same run, to be gone on with.
        say: is given a line of progress at a time.
    """

    backbone: Backbone
    train: LabelledSet
    val: LabelledSet
    extraction: Extraction
    folder: Path
    say: Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """What one evaluator measured, with all that shaped it; ``seconds`` without the extraction.

    ``data`` is the known set's name, "" for a folder.
    """

    protocol: Protocol
    outcome: Outcome
    settings: dict
    seconds: float
    data: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        return self.outcome.metrics

    @property
    def task(self) -> str:
        return self.protocol.name

    def row(self, label: str, init: str, weights: Weights, seed: int) -> dict:
        """The result row; ``seed`` is the evaluator's, that of the training comes with the weights."""
        return make_row(
            self.task, label, init, weights.arch, seed, self.metrics, weights.path, weights.sha256,
            self.settings, self.seconds, training_seed=weights.meta.get("seed"), **self.protocol.fields(),
            data=self.data, details=self.outcome.details, figures=self.outcome.figures,
        )  # fmt: skip


def evaluators_by_name() -> dict[str, type]:
    """Protocol name -> evaluator: those of this package and whatever else is registered."""
    return {kind.protocol.name: kind for kind in EVALUATORS.module_dict.values()}


def build(name: str, seed: int, **settings) -> Evaluator:
    """The evaluator of a protocol, with the seed if it takes one.

    Raises:
        UserError: a setting that the protocol does not have, or a value that it refuses.
    """
    kind = evaluators_by_name()[name]
    valid = [setting.name for setting in fields(kind)]
    for key in settings:
        if key not in valid:
            raise unknown(f"setting of {name}", key, valid)
    try:
        return kind(**({"seed": seed} if "seed" in valid else {}) | settings)
    except TypeError as error:  # text where a number belongs, one number where several do
        raise UserError(f"{name}: {error}") from error


def evaluate(
    backbone: Backbone,
    train: LabelledSet,
    val: LabelledSet,
    evaluators: Iterable[Evaluator],
    extraction: Extraction,
    say: Callable[[str], None] = print,
    work_dir: str | os.PathLike | None = None,
    keep: str | os.PathLike | None = None,
    data: str = "",
) -> Iterator[Result]:
    """Yields each evaluator's result as it comes; features of both parts are extracted once at most.

    Args:
        say: is given a line of progress at a time, corrupt images among them.
        work_dir: folder for the runs of protocols that train on images, and for lists of labels; made if need
            be, in one that is there.
        keep: folder for the features: see ``extract_both``.
        data: the known set that the images are.

    Raises:
        UserError: a protocol that is not for such images (``misfit``), one on images without
            ``work_dir`` or in several processes, or what ``extract`` and the evaluators raise.
    """
    evaluators = list(evaluators)
    for each in evaluators:
        if reason := misfit(each.protocol, train, val):
            raise UserError(f"{each.protocol.name}: {reason}")
        if check := getattr(each, "check_labels", None):
            check(train)
    if training := [each.protocol.name for each in evaluators if each.protocol.kind == "images"]:
        if work_dir is None:
            raise UserError(f"{training[0]} trains a network: it needs a work dir for its run")
        if world_size() > 1:
            raise UserError(f"{training[0]} trains in one process: run it without torchrun")
    needed, features = extractions([each.protocol for each in evaluators], extraction), {}
    for evaluator in evaluators:
        protocol, settings = evaluator.protocol, settings_of(backbone, train, val, extraction, evaluator)
        if protocol.kind == "features":
            own = prepared(extraction, protocol)
            if own not in features:
                place = place_of(keep, own, extraction)
                features[own] = extract_both(backbone, train, val, own, say, place, needed[own])
            start = time.perf_counter()
            keeps_files = getattr(evaluator, "keeps_files", False)
            folder = {"folder": work_dir and _made(work_dir)} if keeps_files else {}
            found = evaluator.run(*features[own], **folder)
            for part, taken in zip(PARTS, features[own], strict=True):
                if part in protocol.parts:
                    settings[part] |= {"images": len(taken.x), "unreadable": len(taken.unreadable)}
        else:
            start = time.perf_counter()
            folder = _made(_made(work_dir) / f"{protocol.name}-{_digest(backbone, settings)}")
            images = Images(backbone, train, val, prepared(extraction, protocol), folder, say)
            with untouched_random_state():
                found = evaluator.run(images)
        outcome = found if isinstance(found, Outcome) else Outcome(found)
        yield Result(protocol, outcome, settings, time.perf_counter() - start, data)


def _made(folder: str | os.PathLike) -> Path:
    """Makes a folder, but none above it: one that was renamed meanwhile must not come into being again."""
    Path(folder).mkdir(exist_ok=True)
    return Path(folder)


def misfit(protocol: Protocol, train: LabelledSet, val: LabelledSet) -> str:
    """Why a protocol cannot take such labels; "" if it can."""
    known = sets.declared()
    several = any(known[name].several for name in protocol.sets if name in known)
    if several != (val.labels.ndim == 2):
        wanted, found = ("several labels", "one") if several else ("one label", "several")
        return f"made for images with {wanted} each; those of {val.root} have {found}"
    return different_classes(train, val) if "train" in protocol.parts else ""


def settings_of(
    backbone: Backbone, train: LabelledSet, val: LabelledSet, extraction: Extraction, evaluator: Evaluator
) -> dict:
    """All that shapes a result: what its row has, but for how many images turn out to be unreadable."""
    mean, std = (values.flatten().tolist() for values in (backbone.mean, backbone.std))
    extraction = prepared(extraction, evaluator.protocol)
    settings = asdict(extraction) | {"resize": extraction.resized_to, "mean": mean, "std": std}
    for part, images in zip(PARTS, (train, val), strict=True):
        if part in evaluator.protocol.parts:
            settings[part] = {"folder": str(images.root), "images": len(images), "content": content(images)}
    return settings | {evaluator.protocol.name: asdict(evaluator)}


def content(images: LabelledSet) -> str:
    """Ten characters that change with the images, their classes and their labels."""
    parts = [images.fingerprint, images.classes, sha256(np.ascontiguousarray(images.labels)).hexdigest()]
    return sha256(json.dumps(parts).encode()).hexdigest()[:10]


def _digest(backbone: Backbone, settings: dict) -> str:
    """Ten characters that change with the weights, the images and the settings, but for the machine's."""
    kept = {key: value for key, value in settings.items() if key not in ("workers", "batch_size")}
    parts = [backbone.arch, state_sha256(backbone.net.state_dict()), kept]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:10]


def format_table(results: Iterable[Result]) -> list[str]:
    """An aligned table, a line a result."""
    results = list(results)
    names = [f"{result.task} {result.data}".rstrip() for result in results]
    width = max(map(len, names), default=0)
    lines = []
    for name, result in zip(names, results, strict=True):
        values = "  ".join(f"{metric} {value:5.1f}" for metric, value in result.metrics.items())
        lines.append(f"{name:<{width}}  {values}")
    return lines
