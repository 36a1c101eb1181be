"""Labelled images: folders ``ROOT/<class>/**/image.jpg``, and whatever else tells the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from distill.data.index import ImageFiles, list_images
from distill.errors import UserError


class LabelledSet(Protocol):
    """Labelled images in a fixed order: what features and evaluations are made of.

    Attributes:
        root: where they come from, for messages.
        classes: their names; two sets of the same classes have the same label numbers.
        labels: (N,) int64, numbers of classes; or, where an image may have several, (N, C) int8: 1 yes,
            0 no, -1 difficult (the class is there, but too hard to see to count).
        fingerprint: changes when the images do.
        config: the arguments of ``LabelledImages`` that find the same images again.
    """

    root: Path
    classes: tuple[str, ...]
    labels: np.ndarray
    fingerprint: str
    config: dict

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What to call an image in a message."""

    def read(self, index: int) -> Image.Image:
        """An image, upright, 8-bit RGB; raises ``UnreadableImage``."""

    def subset(self, rows: Sequence[int]) -> LabelledSet:
        """Some of the images, in that order; ``config`` is empty."""


@dataclass(frozen=True, eq=False)
class LabelledFolder(ImageFiles):
    """A ``LabelledSet`` of files."""

    classes: tuple[str, ...]
    labels: np.ndarray
    config: dict = field(default_factory=dict)

    def subset(self, rows: Sequence[int]) -> LabelledFolder:
        files = tuple(self.files[row] for row in rows)
        return replace(self, files=files, labels=self.labels[np.asarray(rows, int)], config={})


@dataclass(frozen=True, eq=False)
class LabelledArray:
    """A ``LabelledSet`` whose ``pixels``, (N, H, W, 3) uint8, lie in memory or in one mapped file."""

    root: Path
    classes: tuple[str, ...]
    labels: np.ndarray
    pixels: np.ndarray
    config: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pixels)

    def name(self, index: int) -> str:
        return f"{self.root}, image {index}"

    def read(self, index: int) -> Image.Image:
        return Image.fromarray(np.ascontiguousarray(self.pixels[index]))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the pixels."""
        digest = sha256(str(self.pixels.shape).encode())
        for image in self.pixels:
            digest.update(np.ascontiguousarray(image))
        return digest.hexdigest()

    def subset(self, rows: Sequence[int]) -> LabelledArray:
        rows = np.asarray(rows, int)
        return replace(self, pixels=self.pixels[rows], labels=self.labels[rows], config={})


def list_labelled(root: str | os.PathLike) -> LabelledFolder:
    """Lists a folder whose sub-folders are the classes; images may lie at any depth below them.

    Classes and files come in sorted order, so that two listings agree.

    Raises:
        UserError: no such folder, no class folders, or a class without images.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"no such image folder: {root}")
    classes = tuple(sorted(entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "."))
    if not classes:
        raise UserError(f"{root}: no class folders in it; expected {root}/<class>/<image>")
    found = [[os.path.join(name, file) for file in list_images(root / name)] for name in classes]
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in found])
    files = tuple(file for files in found for file in files)
    return LabelledFolder(root, files, classes, labels, {"data_root": str(root)})


def different_classes(train: LabelledSet, val: LabelledSet) -> str:
    """How the classes of two sets differ; "" if they are the same, and so their numbers."""
    differences = [
        f"{len(names)} only in {images.root} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for images, other in ((train, val), (val, train))
        if (names := sorted(set(images.classes) - set(other.classes)))
    ]
    return f"train and val have different classes: {'; '.join(differences)}" if differences else ""


def check_same_classes(train: LabelledSet, val: LabelledSet) -> None:
    """Raises UserError unless both have the same classes."""
    if differences := different_classes(train, val):
        raise UserError(differences)


def halves_of_classes(images: LabelledFolder) -> tuple[LabelledFolder, LabelledFolder]:
    """The images of the first and of the second half of the classes, as metric learning splits a set."""
    half = len(images.classes) // 2
    in_first = images.labels < half
    first, second = (images.subset(np.flatnonzero(rows)) for rows in (in_first, ~in_first))
    second = replace(second, labels=second.labels - half, classes=images.classes[half:])
    return replace(first, classes=images.classes[:half]), second
