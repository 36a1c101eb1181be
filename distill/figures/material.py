"""What figures are drawn from: labelled images, networks, and what several figures need of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from distill.backbones import Backbone
from distill.data.image_files import ImageFiles
from distill.data.labelled import LabelledSet
from distill.evaluation.cluster_alignment import Alignment, ClusterAlignment
from distill.evaluation.features import Extraction, Features, extract_both
from distill.features import Pictures


@dataclass(frozen=True)
class Material:
    """Images, and how many of them figures show.

    Attributes:
        train: None where nothing is learned from them.
        val: those that are shown; without labels where none are needed.
        extraction: how images become network input; they are shown like that.
        clusters, pictures: how many clusters, and how many single pictures, a figure shows at most.
        say: is given a line of progress at a time.
    """

    train: LabelledSet | None
    val: LabelledSet | ImageFiles
    extraction: Extraction
    seed: int = 0
    clusters: int = 30
    pictures: int = 8
    say: Callable[[str], None] = lambda line: None

    def chosen(self, count: int, rows: Sequence[int]) -> list[int]:
        """``count`` of the rows, or all, in random order: the same for the same seed."""
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(self.seed))
        return [int(rows[place]) for place in order[:count]]

    def look(self, images: LabelledSet | ImageFiles, rows: Sequence[int]) -> Tensor:
        """Images as networks see them, (B, 3, S, S) uint8."""
        pictures = Pictures(images, self.extraction.view)
        return torch.stack([pictures[row][1] for row in rows])


@dataclass
class Subject:
    """A network to be pictured, and what it makes of the images, computed when it is first needed.

    Attributes:
        label: its name in figures.
        keep: folder for its features, as in ``extract_both``.
    """

    label: str
    backbone: Backbone
    material: Material
    keep: Path | None = None

    @cached_property
    def features(self) -> tuple[Features, Features]:
        """Of the training and the validation images."""
        material = self.material
        material.say(f"features of {self.label}")
        return extract_both(
            self.backbone, material.train, material.val, material.extraction, material.say, self.keep
        )

    @cached_property
    def alignment(self) -> Alignment:
        """Clusters of the training images and their categories, by ``cluster_alignment``."""
        return ClusterAlignment(seed=self.material.seed).align(*self.features)

    @property
    def slug(self) -> str:
        """The label as a part of a file's name."""
        return re.sub(r"[^\w.-]+", "_", self.label)


def readable(images: LabelledSet, features: Features) -> list[int]:
    """Numbers of the images that the features are of, in their order."""
    unreadable = set(features.unreadable)
    return [row for row in range(len(images)) if images.name(row) not in unreadable]
