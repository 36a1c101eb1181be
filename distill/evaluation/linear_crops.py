"""Linear classification on augmented crops of the images (OSS A.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from distill.errors import UserError
from distill.evaluation.images import Training, train_classifier, validation_logits
from distill.evaluation.linear import topk_accuracy
from distill.evaluation.run import Images
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol

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

    Crops and flips of ``CropFlip`` at the image size; the network stays in eval mode. SGD with a cosine over
    all steps. The paper searches ``lr`` for networks other than ResNet-18; it states no momentum, 0.9 is
    SwAV's. Validation images are resized and cut as ``Extraction`` says.

    Metrics: ``top1`` and, with more than five classes, ``top5``; percent, after the last epoch.
    """

    epochs: int = 100
    lr: float = 0.3
    momentum: float = 0.9
    weight_decay: float = 1e-6
    batch_size: int = 256
    seed: int = 0

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 1 or self.lr <= 0:
            raise UserError("linear_crops: epochs and batch_size must be at least 1, lr above 0")

    def run(self, images: Images) -> dict[str, float]:
        training = Training(
            frozen=True,
            augmentation=dict(type="CropFlip", size=images.extraction.image_size),
            optimizer=dict(type="SGD", lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay),
            epochs=self.epochs,
            batch_size=self.batch_size,
            schedule=(
                dict(type="CosineAnnealingLR", by_epoch=True, T_max=self.epochs, convert_to_iter_based=True),
            ),
            seed=self.seed,
        )
        logits, y = validation_logits(images, *train_classifier(images, training))
        wanted = [1, 5] if len(images.train.classes) > 5 else [1]
        return {f"top{k}": topk_accuracy(logits, y, k) for k in wanted}
