"""Labelled image folders: ``ROOT/<class>/**/image.jpg``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill.data.index import list_images
from distill.errors import UserError


@dataclass(frozen=True)
class LabelledFolder:
    """Files of an ImageFolder, class by class in sorted order, so that two listings agree.

    ``files`` are relative to ``root``; ``labels`` (N,) int64 index ``classes``.
    """

    root: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.files)


def list_labelled(root: str | os.PathLike) -> LabelledFolder:
    """Lists a folder whose sub-folders are the classes; images may lie at any depth below them.

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
    return LabelledFolder(root, classes, tuple(file for files in found for file in files), labels)


def check_same_classes(train: LabelledFolder, val: LabelledFolder) -> None:
    """Raises UserError unless both folders have the same classes, and so the same label numbers."""
    differences = [
        f"{len(names)} only in {folder.root} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for folder, other in ((train, val), (val, train))
        if (names := sorted(set(folder.classes) - set(other.classes)))
    ]
    if differences:
        raise UserError(f"train and val have different classes: {'; '.join(differences)}")
