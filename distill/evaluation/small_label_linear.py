"""A linear layer on frozen features, trained with 1 % or 10 % of the labels (CompRess, appendix)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import ClassVar

from distill.data.label_lists import check_lists, label_list
from distill.errors import UserError
from distill.evaluation.features import Features
from distill.evaluation.linear import standardise
from distill.evaluation.linear_layer import Descent, accuracies, fit, logits_of
from distill.evaluation.run import Outcome
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Count, NotNegative, Number, Positive, Share, check_fields

PROTOCOL = Protocol(
    name="small_label_linear",
    title="Linear classifier with few labels",
    kind="features",
    metrics={
        "top1_1%": "top-1, 1 %",
        "top5_1%": "top-5, 1 %",
        "top1_10%": "top-1, 10 %",
        "top5_10%": "top-5, 10 %",
    },
    headline="top1_1%",
    about="one linear layer on the features of 1 % and 10 % of the training images, standardised as for "
    "`linear`: SGD lr 0.05, momentum 0.9, wd 1e-4, batch 256, cosine, 60 epochs (1 %), 30 (10 %)",
    paper="CompRess 4.4",
    tables="Table 6",
    published="small_labels",
    sets=("imagenet",),
)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class SmallLabelLinear:
    """A linear layer on frozen features with few labels (CompRess 4.4 and appendix, Table 6).

    The paper's settings: SGD, lr 0.05 with a cosine, momentum 0.9, weight decay 1e-4, batch 256; 60 epochs
    with 1 % of the labels, 30 with 10 %. The labels are those of SimCLR's published lists.

    Where it is silent: features are those of one centre crop, without augmentation; they are L2-normalised
    and standardised over the listed images, as in its protocol for all labels, or left as they are
    (``standardised=False``); the cosine goes by steps, to 0. Without ``lists`` the labels are seeded ones,
    the same part of every class.

    Args:
        labels: which parts of the labels, each a layer of its own.
        epochs: for each part.
        lists: for each part the file of a published list, if any.
        seed: of the layer's start, the order of the batches, and the seeded lists.

    Metrics: ``top1_1%`` and so on, and with more than five classes ``top5_1%``; percent, after the last
    epoch. Details: ``lists``, which list it was for each part.
    """

    labels: tuple[str, ...] = ("1%", "10%")
    epochs: dict[str, Count] = field(default_factory=lambda: {"1%": 60, "10%": 30})
    lr: Positive = 0.05
    momentum: Share = 0.9
    weight_decay: NotNegative = 1e-4
    batch_size: Count = 256
    standardised: bool = True
    lists: dict[str, str] = field(default_factory=dict)
    seed: Number = 0
    device: str | None = None

    protocol: ClassVar[Protocol] = PROTOCOL
    keeps_files: ClassVar[bool] = True

    def __post_init__(self):
        check_lists(self.lists, self.labels, "small_label_linear")
        for share in self.labels:
            if not (isinstance(self.epochs, dict) and share in self.epochs):
                raise UserError(
                    f"small_label_linear.epochs is {self.epochs}; valid: a number for each part, "
                    f"{{{share!r}: 30}}"
                )
        check_fields(self, "small_label_linear.")

    def run(self, train: Features, val: Features, folder: str | os.PathLike | None = None) -> Outcome:
        device = self.device or train.device
        metrics, lists = {}, {}
        for share in self.labels:
            chosen = label_list(train.images, share, self.lists, self.seed, folder)
            few = train.of(chosen.rows)
            x, x_val = standardise(few.x, val.x) if self.standardised else (few.x, val.x)
            descent = Descent(
                self.epochs[share], self.lr, self.momentum, self.weight_decay, self.batch_size, self.seed
            )
            layer = fit(x.to(device), few.y.to(device), len(train.classes), descent)
            found = accuracies(logits_of(layer, x_val), val.y)
            metrics |= {f"{name}_{share}": value for name, value in found.items()}
            lists[share] = chosen.told()
        return Outcome(metrics, details={"lists": lists})
