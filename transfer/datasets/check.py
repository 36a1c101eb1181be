"""Defects of a data set: counted and named before anything trains; a few are left out, many are an error.

A defect is a picture or an annotation that cannot be what it says. What is done with it:

- it is left out, an annotation by itself, a picture with its annotations;
- a box that reaches out of its picture by more than ``TOLERANCE`` is clipped, as both detection frameworks do
  in training; by less it stays as it is, because rounding makes such boxes in published data;
- where masks are trained in COCO's format, a box without width or without height is kept (COCO's own training
  file has some): no framework trains on it, and without it the low-shot splits would be others.

Above ``AT_MOST`` of the pictures or annotations of a split, or any at all with ``--strict``, is an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from distill.data.images import UnreadableImage, read_size
from distill.data.names import printable
from distill.errors import UserError

AT_MOST = 0.01
TOLERANCE = 1.0  # pixels
SHOWN = 3

MISSING = "not there, left out"
UNREADABLE = "unreadable, left out"
OTHER_SIZE = "of another size than declared, left out"
TWICE = "listed twice, left out once"
IN_BOTH = "that are tested on, left out"

MALFORMED = "without all that is needed, left out"
NOT_FINITE = "with a box that is not finite, left out"
INVERTED = "with a box of negative width or height, left out"
EMPTY = "with a box without width or height, left out"
OUTSIDE = "with a box outside the picture, left out"
CLIPPED = "with a box that reaches out of the picture, clipped"
KEPT = "with a box without width or height, kept: no framework trains on it"

Box = tuple[float, float, float, float]


@dataclass
class Part:
    """What was looked at, and which of it has defects: kind -> where, printable.

    Attributes:
        where: a file or folder.
        things: ``pictures``, ``annotations`` or ``boxes``.
        total: how many there are.
    """

    where: str
    things: str
    total: int = 0
    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, where: object) -> None:
        self.found.setdefault(kind, []).append(printable(" ".join(str(where).split())))

    @property
    def defective(self) -> int:
        return sum(map(len, self.found.values()))

    @property
    def line(self) -> str:
        """How many of how many, and of each kind the first three, and what is done with it."""
        return f"{self.where}: {self._count}: {'; '.join(f'{kind} {shown}' for kind, shown in self._kinds)}"

    def without_kept(self) -> Part:
        """The same without the defects for which nothing is done."""
        return replace(self, found={kind: where for kind, where in self.found.items() if kind != KEPT})

    def error(self, reason: str) -> UserError:
        """The same, where nothing is done."""
        kinds = "; ".join(f"{kind.rpartition(', ')[0]} {shown}" for kind, shown in self._kinds)
        return UserError(f"{self.where}: {self._count} have defects, {reason}: {kinds}")

    @property
    def _count(self) -> str:
        return f"{self.defective:,} of {self.total:,} {self.things}"

    @property
    def _kinds(self) -> list[tuple[str, str]]:
        return [
            (f"{len(where):,} {kind}", f"({', '.join(where[:SHOWN])}{', ...' if len(where) > SHOWN else ''})")
            for kind, where in self.found.items()
        ]


class Problems:
    """All that is found while a benchmark's data is read.

    Args:
        strict: any defect is an error.
    """

    def __init__(self, strict: bool = False):
        self.strict, self.parts = strict, []

    def part(self, where: object, things: str, total: int = 0) -> Part:
        """A new part, which is told if defects are added to it."""
        self.parts.append(Part(str(where), things, total))
        return self.parts[-1]

    def lines(self) -> tuple[str, ...]:
        """What is told, a line for each part that has defects."""
        return tuple(part.line for part in self.parts if part.found)

    def changes(self) -> tuple[str, ...]:
        """The same of the defects for which something is done: they make other data of it."""
        return tuple(part.line for part in map(Part.without_kept, self.parts) if part.found)

    def check(self) -> None:
        """Raises UserError if there are too many defects."""
        for part in self.parts:
            if part.defective > (0 if self.strict else AT_MOST * part.total):
                raise part.error("and --strict allows none" if self.strict else "more than 1 %")


def judge(box: Box, width: float, height: float) -> tuple[str, Box]:
    """What is wrong with a box, "" for nothing, and the box, clipped where it has to be.

    Args:
        box: edges (left, top, right, bottom) from 0 on; a box of one pixel of VOC's has a width of 1 here.
    """
    left, top, right, bottom = box
    if not math.isfinite(left + top + right + bottom):
        return NOT_FINITE, box
    if right < left or bottom < top:
        return INVERTED, box
    if right == left or bottom == top:
        return EMPTY, box
    if max(-left, -top, right - width, bottom - height) <= TOLERANCE:
        return "", box
    clipped = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        return OUTSIDE, box
    return CLIPPED, clipped


def look_at_pictures(listed: Iterable[tuple[str, Path, tuple[int, int]]], part: Part) -> list[str]:
    """Names of the pictures to leave out: missing, unreadable, or of another size than declared.

    Only the first bytes of a file are read. What they do not show ends the run, with the file's name.

    Args:
        listed: name, file, and the width and height that the annotations give.
    """
    left_out = []
    for name, path, declared in listed:
        try:
            size = read_size(path)
        except UnreadableImage:
            part.add(UNREADABLE if path.is_file() else MISSING, name)
        else:
            if size == declared:
                continue
            part.add(OTHER_SIZE, f"{name}: {size[0]} x {size[1]}, not {declared[0]} x {declared[1]}")
        left_out.append(name)
    return left_out


def check_size(name: str, pixels: np.ndarray, width: float | None, height: float | None) -> None:
    """Raises UserError unless a picture (H, W, ...) has the size that its annotations give, if they do."""
    found = pixels.shape[1], pixels.shape[0]
    if None not in (width, height) and found != (width, height):
        raise UserError(f"{name}: {found[0]} x {found[1]} pixels, but its annotations say {width} x {height}")


def check_mask(name: str, mask: np.ndarray, shape: tuple[int, int]) -> None:
    """Raises UserError unless a mask (H, W) has the size (H, W) of its picture."""
    if mask.shape != tuple(shape):
        said, wanted = (f"{width} x {height}" for height, width in (mask.shape, shape))
        raise UserError(f"{name}: a mask of {said} pixels, but its picture has {wanted}")
