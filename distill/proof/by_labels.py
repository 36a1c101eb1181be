"""Classifiers on a folder a class, with shares of the labels: what ``tools/prove.py`` measures as a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from distill import results
from distill.data.label_lists import percent_of
from distill.data.labelled import check_same_classes, list_labelled
from distill.errors import unknown
from distill.proof.measurement import Starts
from distill.proof.verdict import Values
from distill.results.protocol import Protocol, declared

FEW, MORE = "1%", "10%"  # the shares of the labels for which protocols have settings


def with_few_labels() -> dict[str, Protocol]:
    """The protocols that measure with shares of the labels."""
    needed = {f"top1_{FEW}", f"top1_{MORE}"}
    return {name: each for name, each in declared().items() if needed <= each.metrics.keys()}


def frozen_only() -> str:
    """Those of them that train a layer on frozen features, ``A,B``."""
    return ",".join(name for name, protocol in with_few_labels().items() if protocol.kind == "features")


class ByLabels:
    """See ``distill.proof.measurement.Measurement``.

    Args:
        root: labelled pictures, ``train`` and ``val`` with a folder a class.
        student: architecture of all starts but the teacher.
        shares: of the labels, ``1%``.
        protocols: names of some of ``with_few_labels``.
        out: folder of the proof.

    Raises:
        UserError: a share or protocol that is none, or pictures that are not there.
    """

    metric = "top-1"

    def __init__(
        self,
        root: str,
        student: str,
        shares: Sequence[str],
        protocols: Sequence[str],
        image_size: int,
        workers: int,
        out: Path,
    ):
        for share in shares:
            percent_of(share)
        known = with_few_labels()
        for name in protocols:
            if name not in known:
                raise unknown("protocol", name, known)
        self.student, self.shares, self.protocols = student, shares, protocols
        self.image_size, self.workers, self.out = image_size, workers, out
        self.train, self.test = (list_labelled(Path(root) / part) for part in ("train", "val"))
        check_same_classes(self.train, self.test)
        known_to = 100 * 1.96 * math.sqrt(0.25 / len(self.test))
        self.about = [
            f"Measured by {','.join(protocols)} at {image_size} px, {len(self.train):,} labelled pictures in "
            f"train, {len(self.test):,} in val; all starts get the same settings.",
            "A seed is which pictures have labels and the classifier's training. A percentage measured on "
            f"{len(self.test):,} test pictures is itself known to about {known_to:.1f} points.",
        ]

    def measure(self, seed: int, starts: Starts) -> None:
        for start, weights in starts.items():
            self._measure(seed, start, weights)

    def _measure(self, seed: int, start: str, source: str | None) -> None:
        from distill.backbones import Backbone
        from distill.checkpoints import random_weights, read_weights
        from distill.distributed import default_device
        from distill.evaluation import Extraction, build, evaluate

        file = self.out / "results.jsonl"
        done = {row["task"] for row in results.find(results.read(file), label=start, seed=seed)}
        missing = [
            build(name, seed, **settings(name, self.shares)) for name in self.protocols if name not in done
        ]
        if not missing:
            return
        print(f"[measure: {start}, seed {seed}]", flush=True)
        if source is None:
            weights = random_weights(self.student, seed)
        else:
            weights = read_weights(source, None if start == "teacher" else self.student)
        backbone = Backbone.from_weights(weights).to(default_device())
        own = f"_seed_{seed}" if start in ("distilled", "random") else ""  # one network for all seeds
        features = self.out / "features" / f"{start}{own}"
        features.parent.mkdir(exist_ok=True)
        extraction = Extraction(self.image_size, workers=self.workers)
        work_dir = self.out / "evaluation"
        found = evaluate(
            backbone, self.train, self.test, missing, extraction, work_dir=work_dir, keep=features
        )
        for result in found:
            results.append(file, result.row(start, start, weights, seed))

    def values(self, seeds: Sequence[int], starts: Sequence[str]) -> Values:
        rows = results.read(self.out / "results.jsonl")
        titles = {
            name: declared()[name].title.removesuffix(" with few labels").lower() for name in self.protocols
        }
        return {
            start: {
                (titles[task], share): [
                    results.find(rows, label=start, task=task, seed=seed)[-1]["metrics"][f"top1_{share}"]
                    for seed in seeds
                ]
                for task in self.protocols
                for share in self.shares
            }
            for start in starts
        }

    def commands(self, seed: int, starts: Starts) -> list[list[str]]:
        return []


def settings(protocol: str, shares: Sequence[str]) -> dict:
    """The protocol's own settings for 1 % of the labels up to that share, and those for 10 % above."""
    from distill.evaluation import evaluators_by_name

    usual = vars(evaluators_by_name()[protocol]())
    nearest = {share: FEW if percent_of(share) <= percent_of(FEW) else MORE for share in shares}
    by_share = {
        name: {share: value[near] for share, near in nearest.items()}
        for name, value in usual.items()
        if isinstance(value, dict) and value.keys() == {FEW, MORE}
    }
    return {"labels": tuple(shares), **by_share}
