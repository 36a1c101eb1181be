"""Fine-tuning of the whole network with 1 % or 10 % of the labels (OSS A.4)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import ClassVar

from distill.data.label_lists import LabelList, check_lists, label_list, percent_of
from distill.errors import UserError
from distill.evaluation.images import Training, train_classifier, validation_logits
from distill.evaluation.linear_layer import accuracies
from distill.evaluation.run import Images, Outcome
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Count, NotNegative, Number, Positive, Share, check_fields

PROTOCOL = Protocol(
    name="small_label_finetune",
    title="Fine-tuning with few labels",
    kind="images",
    metrics={
        "top1_1%": "top-1, 1 %",
        "top5_1%": "top-5, 1 %",
        "top1_10%": "top-1, 10 %",
        "top5_10%": "top-5, 10 %",
    },
    headline="top1_1%",
    about="the whole network and a linear layer, trained with 1 % and 10 % of the labels on random resized "
    "crops and their mirror images: SGD, momentum 0.9, no wd, batch 256, 20 epochs, x0.2 after 12 and 16; lr "
    "of network and layer 0.02 and 5 (1 %), 0.01 and 0.2 (10 %)",
    paper="OSS A.4, B.3",
    tables="Tables 12 and 15",
    published="small_labels",
    sets=("imagenet", "places365"),
)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class SmallLabelFinetune:
    """A network and a linear layer on it, fine-tuned with few labels (OSS A.4, Table 15; B.3, Table 12).

    The paper's settings: 20 epochs of SGD, batch 256, learning rates x0.2 after 12 and 16 epochs, no weight
    decay; with 1 % of the labels lr 0.02 for the network and 5 for the layer, with 10 % 0.01 and 0.2. Random
    resized crops at the image size, mirrored in half of the cases; validation images are resized and cut as
    ``Extraction`` says. The labels are those of the lists published with SimCLR.

    Where it is silent: momentum is 0.9, SwAV's, whose protocol it repeats; the layer starts as PyTorch's do;
    batch norms go on learning their statistics; the last epoch counts, where SwAV's code prints the best one
    on the validation images. Without ``lists`` the labels are seeded ones, the same part of every class. For
    other authors' networks it takes their own best settings: give ``lr``, ``head_lr``.

    Table 12 is five disjoint parts of Places365: five rows with the seeds 0 to 4, since seeded lists of
    consecutive seeds are disjoint and reports give mean and deviation over the seeds.

    Args:
        labels: which parts of the labels, each a training of its own.
        lr, head_lr: of the network and the layer, for each part.
        lists: for each part the file of a published list, if any.
        seed: of the training and of the seeded lists.

    Metrics: ``top1_1%`` and so on, and with more than five classes ``top5_1%``; percent, after the last
    epoch. Details: ``lists``, which list it was for each part.
    """

    labels: tuple[str, ...] = ("1%", "10%")
    epochs: Count = 20
    lr: dict[str, Positive] = field(default_factory=lambda: {"1%": 0.02, "10%": 0.01})
    head_lr: dict[str, Positive] = field(default_factory=lambda: {"1%": 5.0, "10%": 0.2})
    momentum: Share = 0.9
    weight_decay: NotNegative = 0.0
    batch_size: Count = 256
    milestones: tuple[Count, ...] = (12, 16)
    gamma: Positive = 0.2
    lists: dict[str, str] = field(default_factory=dict)
    seed: Number = 0

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        check_lists(self.lists, self.labels, "small_label_finetune")
        for share, name in product(self.labels, ("lr", "head_lr")):
            rates = getattr(self, name)
            if not (isinstance(rates, dict) and share in rates):
                raise UserError(
                    f"small_label_finetune.{name} is {rates}; valid: a number above 0 for each part, "
                    f"{{{share!r}: 0.01}}"
                )
        check_fields(self, "small_label_finetune.")
        if max(self.milestones, default=0) >= self.epochs:
            raise UserError(
                f"small_label_finetune.milestones is {self.milestones}; valid: epochs below {self.epochs}, "
                "the last"
            )

    def run(self, images: Images) -> Outcome:
        metrics, lists = {}, {}
        for share in self.labels:
            chosen = label_list(images.train, share, self.lists, self.seed, images.folder.parent)
            images.say(f"{share} of the labels: {len(chosen.rows)} images, listed in {chosen.file}")
            # what a list holds shapes the run as well, and is no part of the folder's name so far
            name = f"{share.replace('%', 'percent')}-{chosen.sha256[:10]}"
            part = replace(images, folder=images.folder / name)
            trained = train_classifier(part, self._training(images, share, chosen))
            found = accuracies(*validation_logits(part, *trained))
            metrics |= {f"{name}_{share}": value for name, value in found.items()}
            lists[share] = chosen.told()
        return Outcome(metrics, details={"lists": lists})

    def passes(self, train: int, val: int) -> int:
        """How many images pass through the network."""
        return sum(round(self.epochs * train * percent_of(share) / 100) + val for share in self.labels)

    def _training(self, images: Images, share: str, chosen: LabelList) -> Training:
        return Training(
            frozen=False,
            augmentation=dict(type="CropFlip", size=images.extraction.image_size),
            optimizer=dict(
                type="SGD", lr=self.head_lr[share], momentum=self.momentum, weight_decay=self.weight_decay
            ),
            epochs=self.epochs,
            batch_size=self.batch_size,
            schedule=(
                dict(type="MultiStepLR", by_epoch=True, milestones=list(self.milestones), gamma=self.gamma),
            ),
            seed=self.seed,
            backbone_lr=self.lr[share],
            label_list=chosen.file,
        )
