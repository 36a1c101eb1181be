"""Labelled images: ``ROOT/<class>/**/image.jpg``, in folders or in shards, and whatever tells the same."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from distill.data.file_index import no_images_in
from distill.data.image_files import ImageFiles, open_images
from distill.data.names import Names
from distill.data.shards import is_packed
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
    """A ``LabelledSet`` of files, or of shards."""

    classes: tuple[str, ...]
    labels: np.ndarray
    config: dict = field(default_factory=dict)

    def subset(self, rows: Sequence[int]) -> LabelledFolder:
        rows = np.asarray(rows, int)
        return replace(self, files=self.files.take(rows), labels=self.labels[rows], config={})


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
        UserError: no such folder, no class folders, a class without images, or shards that are not whole.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"no such image folder: {root}")
    packed = is_packed(root)
    classes = () if packed else [entry.name for entry in root.iterdir() if entry.is_dir()]
    if not packed and not any(_is_class(name) for name in classes):
        raise UserError(_no_classes_in(root))
    images = open_images(root)
    ranges = _top_folders(images.files)
    classes = tuple(sorted(filter(_is_class, ranges if packed else classes)))
    if not classes:
        raise UserError(_no_classes_in(root))
    for name in classes:
        if name not in ranges:
            raise UserError(no_images_in(root / name))
    labels = np.repeat(np.arange(len(classes)), [len(ranges[name]) for name in classes])
    rows = np.concatenate([ranges[name] for name in classes])
    # where the order is that of the whole folder, so is the fingerprint
    files = images.files if np.array_equal(rows, np.arange(len(images))) else images.files.take(rows)
    return LabelledFolder(root, files, classes, labels, {"data_root": str(root)}, source=images.source)


def _is_class(name: str) -> bool:
    return name[0] != "."


def _no_classes_in(root: Path) -> str:
    return f"{root}: no class folders in it; expected {root}/<class>/<image>"


def _top_folders(files: Names) -> dict[str, range]:
    """First folder of the paths -> the numbers of its files, which lie together, as the paths are sorted."""
    found, first = {}, 0
    while first < len(files):
        folder, slash, _ = files[first].partition("/")
        if slash:
            found[folder] = range(first, bisect_left(files, f"{folder}0", first))  # 0 comes after the slash
        first = found[folder].stop if slash else first + 1
    return found


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
