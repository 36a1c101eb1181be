"""Which of VOC 2007's classes an image shows: a linear layer on frozen features, by CompRess's settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.evaluation.average_precision import check_labels, mean_average_precision
from distill.evaluation.features import Features
from distill.evaluation.linear import standardise
from distill.evaluation.run import Outcome
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Count, NotNegative, Number, Positive, Share, check_fields

PROTOCOL = Protocol(
    name="voc07_classification",
    title="Classification, VOC 2007 (linear layer)",
    kind="features",
    metrics={
        "mAP_11point": "mAP, 11-point",
        "mAP_area": "mAP, area",
        "mAP_interpolated": "mAP, interpolated area",
    },
    headline="mAP_area",
    about="one linear layer on standardised features, a logistic regression a class: SGD lr 0.01, momentum "
    "0.9, wd 1e-6, batch 16, 80,000 iterations, x0.5 every 5,000",
    paper="CompRess 4.4",
    tables="Table 7",
    sets=("voc07",),
)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class VOC07Classification:
    """A linear layer on frozen features, trained on trainval, tested on test (CompRess 4.4 and appendix).

    The loss is the sum over the classes of the binary cross-entropy, averaged over the batch. An image whose
    objects of a class are all "difficult" takes no part for that class, in training and in the test.

    The paper's batch, iterations, weight decay and halving are those of code that others used before it
    (``philkr/voc-classification`` of Krähenbühl et al. 2016, DeepCluster's ``eval_voc_classif.py``). It sums
    the losses like this and measures the area; the paper says neither. That code trains on random crops and
    sums ten in the test; here it is one centre crop. The paper is silent about the preprocessing too:
    features are standardised as for its linear classifier. The layer starts at zero: the problem is convex.

    Metrics: ``mAP_11point``, ``mAP_area``, ``mAP_interpolated``; percent, after the last iteration.
    """

    iterations: Count = 80_000
    lr: Positive = 0.01
    momentum: Share = 0.9
    weight_decay: NotNegative = 1e-6
    batch_size: Count = 16
    drop_every: Count = 5_000
    gamma: Positive = 0.5
    seed: Number = 0

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        check_fields(self, "voc07_classification.")

    def run(self, train: Features, val: Features) -> Outcome:
        check_labels(self.protocol.name, train, val)
        x, x_val = standardise(train.x, val.x)
        scores = _with_ones(x_val) @ self.fit(x, train.y).T
        return mean_average_precision(scores.numpy(), val.y.numpy(), val.classes)

    def fit(self, x: Tensor, labels: Tensor) -> Tensor:
        """The layer after training.

        The gradient is written out: a step is two small matrix products, so that all of them take seconds.

        Args:
            x: features (N, D).
            labels: (N, C) 1, 0, or -1 for a pair that takes no part.

        Returns:
            (C, D + 1), the bias in the last column.
        """
        x, known, present = _with_ones(x), (labels >= 0).float(), (labels == 1).float()
        weight = torch.zeros(labels.shape[1], x.shape[1])
        velocity = torch.zeros_like(weight)
        for step, rows in enumerate(self._batches(len(x))):
            batch = x[rows]
            error = (torch.sigmoid(batch @ weight.T) - present[rows]) * known[rows]
            velocity.mul_(self.momentum).add_(weight, alpha=self.weight_decay)
            velocity.addmm_(error.T, batch, alpha=1 / self.batch_size)
            weight.sub_(velocity, alpha=self.lr * self.gamma ** (step // self.drop_every))
        return weight

    def _batches(self, count: int) -> Iterator[Tensor]:
        """``iterations`` times the next ``batch_size`` rows of one random order after another."""
        generator = torch.Generator().manual_seed(self.seed)
        orders = -(-self.iterations * self.batch_size // count)
        rows = torch.cat([torch.randperm(count, generator=generator) for _ in range(orders)])
        yield from rows[: self.iterations * self.batch_size].split(self.batch_size)


def _with_ones(x: Tensor) -> Tensor:
    """Features (N, D) with a last column of ones, which the bias goes with."""
    return F.pad(x, (0, 1), value=1.0)
