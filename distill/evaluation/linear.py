"""Linear classification of frozen features by CompRess's standard protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.evaluation.features import Features
from distill.evaluation.linear_layer import ROWS_AT_ONCE, Descent, accuracies, fit, logits_of
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Count, NotNegative, Number, Positive, Share, check_fields

PROTOCOL = Protocol(
    name="linear",
    title="Linear classifier",
    kind="features",
    metrics={"top1": "top-1", "top5": "top-5"},
    headline="top1",
    about="L2-normalise, standardise by the training set, one linear layer: SGD lr 0.01, momentum 0.9, "
    "wd 1e-4, batch 256, 40 epochs, x0.1 after 15 and 30",
    paper="CompRess 4.1",
    tables="Tables 1, 2 and 5",
    sets=("imagenet",),
    default=2,
)

CONSTANT = 1e-7  # a dimension with less deviation than this differs by rounding only


def standardise(train: Tensor, val: Tensor) -> tuple[Tensor, Tensor]:
    """L2-normalises rows, then gives each dimension zero mean and unit variance over the training rows.

    Args:
        train, val: features (N, D) and (M, D), left as they are.

    Returns:
        The same shapes; a dimension that is constant over the training rows is only centred.
    """
    train, val = F.normalize(train), F.normalize(val)
    mean, scale = mean_and_scale(train)
    return train.sub_(mean).div_(scale), val.sub_(mean).div_(scale)


def mean_and_scale(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (D,) of rows x (N, D); 1 for the deviation of a constant dimension."""
    mean = sum(part.double().sum(0) for part in x.split(ROWS_AT_ONCE)) / len(x)
    variance = sum((part.double() - mean).square().sum(0) for part in x.split(ROWS_AT_ONCE)) / len(x)
    deviation = variance.sqrt()
    return mean.float(), torch.where(deviation > CONSTANT, deviation, 1.0).float()


@EVALUATORS.register_module()
@dataclass(frozen=True)
class Linear:
    """One linear layer on standardised features (CompRess 4.1, "Linear").

    Features are L2-normalised, then shifted and scaled by the training set's mean and deviation. SGD with
    momentum; ``lr`` is multiplied by ``gamma`` after each epoch of ``milestones``. The features come from
    one centre crop an image, computed once. The paper is silent on that; its authors' code takes random
    resized crops and their mirror images to train the layer, as ``LinearCrops`` does.

    Metrics: ``top1`` and, with more than five classes, ``top5``; percent, after the last epoch.
    """

    epochs: Count = 40
    lr: Positive = 0.01
    momentum: Share = 0.9
    weight_decay: NotNegative = 1e-4
    batch_size: Count = 256
    milestones: tuple[Count, ...] = (15, 30)
    gamma: Positive = 0.1
    seed: Number = 0
    device: str | None = None

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        check_fields(self, "linear.")

    def run(self, train: Features, val: Features) -> dict[str, float]:
        device = self.device or train.device
        x, x_val = (part.to(device) for part in standardise(train.x, val.x))
        layer = self.fit(x, train.y.to(device), len(train.classes))
        return accuracies(logits_of(layer, x_val), val.y)

    def fit(self, x: Tensor, y: Tensor, classes: int) -> nn.Linear:
        """The trained layer; its start and the order of the batches come from ``seed`` alone."""
        descent = Descent(
            self.epochs, self.lr, self.momentum, self.weight_decay, self.batch_size, self.seed,
            self.milestones, self.gamma,
        )  # fmt: skip
        return fit(x, y, classes, descent)
