"""k-nearest-neighbour classification of frozen features."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from statistics import mean, pstdev
from typing import ClassVar, Literal

import torch
from torch import Tensor

from distill.data.label_lists import check_lists, given_list
from distill.data.labelled import LabelledSet
from distill.errors import UserError
from distill.evaluation.features import Features
from distill.evaluation.neighbours import nearest
from distill.evaluation.run import Outcome
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Count, Counts, Number, Positive, check_fields

PROTOCOL = Protocol(
    name="knn",
    title="Nearest neighbours",
    kind="features",
    metrics={"1nn": "1-NN", "20nn": "20-NN"},
    headline="1nn",
    about="cosine nearest neighbours; 20 of them vote with weight exp(similarity / 0.07); `--few-shot "
    "1-shot,1%,10%` adds the 1-NN accuracy with few labels, and its `_std` over 10 draws",
    paper="CompRess 4.1",
    tables="Tables 1 to 3",
    sets=("imagenet",),
    default=1,
)


def vote(similarity: Tensor, labels: Tensor, classes: int, temperature: float) -> Tensor:
    """The class with the largest sum of ``exp(similarity / temperature)`` over the neighbours.

    Args:
        similarity, labels: of each query's neighbours, (Q, k). Of equal sums the lowest label wins.

    Returns:
        Predicted labels (Q,).
    """
    # less the largest, which changes no vote: exp() could overflow
    weights = ((similarity - similarity[:, :1]) / temperature).exp()
    scores = torch.zeros(len(labels), classes).scatter_add_(1, labels, weights)
    return scores.argmax(dim=1)


def subset(y: Tensor, part: str, generator: torch.Generator) -> Tensor:
    """Row numbers of a random share of every class.

    Args:
        y: labels (N,).
        part: ``'1-shot'`` (that many images a class) or ``'10%'`` (of each class, at least one).

    Raises:
        UserError: another form of ``part``, or more images than a class has.
    """
    shots, percent = parse_part(part)
    chosen = []
    for label in y.unique():
        rows = (y == label).nonzero().flatten()
        if shots > len(rows):
            raise UserError(f"few_shot {part!r}: class {int(label)} has {len(rows)} training images")
        share = shots or max(1, round(len(rows) * percent / 100))
        chosen.append(rows[torch.randperm(len(rows), generator=generator)[:share]])
    return torch.cat(chosen)


def parse_part(part: str) -> tuple[int, float]:
    """``'1-shot'`` -> (1, 0), ``'10%'`` -> (0, 10): images a class, or percent of them.

    Raises:
        UserError: anything else.
    """
    found = re.fullmatch(r"(?:(?P<shots>[1-9]\d*)-shot|(?P<percent>\d+(?:\.\d+)?)%)", part)
    if not found or (found["percent"] and not 0 < float(found["percent"]) <= 100):
        raise UserError(f"few_shot {part!r}; valid: images a class ('1-shot') or a share of them ('10%')")
    return int(found["shots"] or 0), float(found["percent"] or 0)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class KNN:
    """Cosine k-NN on L2-normalised features (CompRess 4.1 uses k = 1).

    Neighbours vote with weight ``exp(similarity / temperature)``; for k = 1 that is the plain nearest
    neighbour. ``few_shot`` adds the 1-NN accuracy with a part of the training labels, as mean and
    standard deviation over ``draws`` random draws (CompRess Table 3: ``('1-shot', '1%', '10%')``). Where the
    labels of a part are listed in a file, as they are published for ImageNet, nothing is drawn.

    Args:
        lists: part -> file of its list (``distill.data.label_lists``); these parts are measured as well.

    Metrics: ``1nn``, ``20nn``, and for each part ``1nn_1-shot`` and ``1nn_1-shot_std``; top-1 in percent.
    Details: ``lists``, which list it was, where one is given.
    """

    k: Counts = (1, 20)
    temperature: Positive = 0.07
    few_shot: tuple[str, ...] = ()
    draws: Count = 10
    seed: Number = 0
    backend: Literal["auto", "faiss", "torch"] = "auto"
    lists: dict[str, str] = field(default_factory=dict)

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        check_fields(self, "knn.")
        for part in self.few_shot:
            parse_part(part)
        check_lists(self.lists, self.lists, "knn")

    def check_labels(self, train: LabelledSet) -> None:
        """Raises UserError for a part that is larger than a class of the training images."""
        for part in self.few_shot:
            subset(torch.from_numpy(train.labels), part, torch.Generator())

    def run(self, train: Features, val: Features) -> dict[str, float] | Outcome:
        similarity, rows = nearest(val.x, train.x, max(self.k), self.backend, val.device)
        labels, classes = train.y[rows], len(train.classes)
        metrics = {}
        for k in self.k:
            predicted = vote(similarity[:, :k], labels[:, :k], classes, self.temperature)
            metrics[f"{k}nn"] = _accuracy(predicted, val.y)
        lists = {part: given_list(file, train.images) for part, file in self.lists.items()}
        for part, chosen in lists.items():
            few = train.of(chosen.rows)
            metrics[f"1nn_{part}"] = self._nearest_of(few.x, few.y, val)
        for part in (part for part in self.few_shot if part not in lists):
            generator = torch.Generator().manual_seed(self.seed)
            draws = [subset(train.y, part, generator) for _ in range(self.draws)]
            results = [self._nearest_of(train.x[rows], train.y[rows], val) for rows in draws]
            metrics |= {f"1nn_{part}": mean(results), f"1nn_{part}_std": pstdev(results)}
        if not lists:
            return metrics
        return Outcome(metrics, {"lists": {part: chosen.told() for part, chosen in lists.items()}})

    def _nearest_of(self, x: Tensor, y: Tensor, val: Features) -> float:
        _, found = nearest(val.x, x, 1, self.backend, val.device)
        return _accuracy(y[found[:, 0]], val.y)


def _accuracy(predicted: Tensor, y: Tensor) -> float:
    return 100 * (predicted == y).double().mean().item()
