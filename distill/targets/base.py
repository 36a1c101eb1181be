"""The one interface between a method and where its targets come from."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import ClassVar

from torch.utils.data import Dataset

from distill.errors import UserError


class Need(Enum):
    """What a method can need of its targets, each with its words in an error and what a person can do."""

    EMBEDDINGS = "an embedding of each image", "give a teacher"
    VIEWS = "embeddings of random views", "leave out --teacher-cache (config key model.teacher.cache)"
    MAPS = "maps of random views", "leave out --teacher-cache (config key model.teacher.cache)"
    ALL_IMAGES = (
        "the embeddings of all images beforehand",
        "make them with tools/cache_teacher.py and give their folder as --teacher-cache "
        "(config key model.teacher.cache)",
    )
    HEAD = "the output of a projection head", "set model.teacher.output='head'"
    PROTOTYPES = (
        "prototypes beside a projection head",
        "take a SwAV checkpoint, or the last.pth of methods swav and oss",
    )
    TRAINING = "a teacher that is trained too", "set model.online_teacher.arch"

    def __init__(self, words: str, remedy: str):
        self.words, self.remedy = words, remedy


class Target:
    """What targets come from: a frozen network, the cache of one, or a network in training.

    Attributes:
        name: what an error calls it.
        width: of the embeddings.
        gives: what a method can get from it. EMBEDDINGS: ``target(images, rows)`` is (B, width); VIEWS: the
            same for any images, without ``rows``; MAPS: ``backbone.feature_map``; HEAD: ``head``; PROTOTYPES:
            ``prototypes``, (P, width); ALL_IMAGES: ``rows.array``.
        rows: what the data workers read for each image; None where the images are enough.
        sha256: of the frozen network's file; None of a network in training.
    """

    name: str
    width: int
    gives: frozenset[Need]
    rows = None
    sha256: str | None = None
    trains: ClassVar[bool] = False

    def describe(self) -> list[str]:
        """What it is, a line each."""
        raise NotImplementedError

    def check_data(self, images: Dataset) -> None:
        """Raises UserError for training data for which it has no targets."""

    def check_needs(self, needs: Iterable[Need], method: str) -> None:
        """Raises UserError, naming what to change, unless it gives all that the method needs."""
        for need in Need:
            if need in needs and need not in self.gives:
                raise UserError(f"{method} needs {need.words}, {self.name} gives none; {need.remedy}")
