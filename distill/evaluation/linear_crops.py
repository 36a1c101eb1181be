"""Linear classification on augmented crops of the images (OSS A.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from distill.evaluation.images import Training, train_classifier, validation_logits
from distill.evaluation.linear_layer import accuracies
from distill.evaluation.run import Images, Outcome
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Count, NotNegative, Number, Positive, Positives, Share, check_fields

PROTOCOL = Protocol(
    name="linear_crops",
    title="Linear classifier on augmented crops",
    kind="images",
    metrics={"top1": "top-1", "top5": "top-5"},
    headline="top1",
    about="one linear layer on the features of random resized crops and their mirror images, network frozen "
    "in eval mode: SGD lr 0.3, momentum 0.9, wd 1e-6, batch 256, 100 epochs, cosine",
    paper="OSS A.3",
    tables="Tables 9 to 11, 15 and 16",
    published="linear",
    sets=("imagenet", "cifar10", "cifar100", "sun397", "dtd", "places365", "stl10"),
)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class LinearCrops:
    """One linear layer behind the frozen network, trained on augmented crops (OSS A.3, which is SwAV's).

    The paper's settings for ResNet-18: SGD, lr 0.3 with a cosine, weight decay 1e-6, batch 256, 100 epochs;
    random resized crops at the image size, mirrored in half of the cases; validation images are resized and
    cut as ``Extraction`` says. The network stays in eval mode.

    For other networks the paper tries the rates that their authors recommend and takes the best: give ``lr``
    several, ``(0.3, 0.1)``, a layer is trained with each. It does not say what the best is measured on: here
    it is top-1 on the validation images, the number that is reported. It is silent on momentum too, 0.9 is
    SwAV's; the cosine goes by steps, to 0. SwAV's code goes by epochs, starts the layer at a normal
    distribution of deviation 0.01, and prints the best epoch on the validation images.

    Metrics: ``top1`` and, with more than five classes, ``top5``; percent, after the last epoch. Details of
    several rates: ``lr``, the best one, and ``sweep``, the top-1 of each.
    """

    epochs: Count = 100
    lr: Positive | Positives = 0.3
    momentum: Share = 0.9
    weight_decay: NotNegative = 1e-6
    batch_size: Count = 256
    seed: Number = 0

    protocol: ClassVar[Protocol] = PROTOCOL

    @property
    def rates(self) -> tuple[float, ...]:
        return tuple(self.lr) if isinstance(self.lr, list | tuple) else (self.lr,)

    def __post_init__(self):
        check_fields(self, "linear_crops.")

    def run(self, images: Images) -> dict[str, float] | Outcome:
        if not isinstance(self.lr, list | tuple):
            return self._accuracies(images, self.lr)
        found = {}
        for lr in self.rates:
            images.say(f"learning rate {lr:g}")
            found[f"{lr:g}"] = self._accuracies(replace(images, folder=images.folder / f"lr-{lr:g}"), lr)
        best = max(found, key=lambda lr: found[lr]["top1"])
        sweep = {lr: metrics["top1"] for lr, metrics in found.items()}
        return Outcome(found[best], details={"lr": float(best), "sweep": sweep})

    def passes(self, train: int, val: int) -> int:
        """How many images pass through the network."""
        return len(self.rates) * (self.epochs * train + val)

    def _accuracies(self, images: Images, lr: float) -> dict[str, float]:
        training = Training(
            frozen=True,
            augmentation=dict(type="CropFlip", size=images.extraction.image_size),
            optimizer=dict(type="SGD", lr=lr, momentum=self.momentum, weight_decay=self.weight_decay),
            epochs=self.epochs,
            batch_size=self.batch_size,
            schedule=(
                dict(type="CosineAnnealingLR", by_epoch=True, T_max=self.epochs, convert_to_iter_based=True),
            ),
            seed=self.seed,
        )
        return accuracies(*validation_logits(images, *train_classifier(images, training)))
