"""What a proof asks of a way to measure: its pictures, a row a start and seed, and the figures of the rows.

Ways to measure: ``distill.proof.by_labels`` (classifiers with shares of the labels), ``transfer.proof``
(a detector or segmenter that is fine-tuned).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from distill.data.image_files import ImageFiles
from distill.proof.verdict import Values

# start (distilled, random, supervised, teacher) -> file or name of its weights; None: random ones
Starts = Mapping[str, str | None]


class Measurement(Protocol):
    """One way to measure starts.

    Attributes:
        metric: what its percentages are, ``top-1``.
        train, test: the labelled pictures that are trained on and tested with.
        about: lines for the page: how it measures, and what its seeds vary.
    """

    metric: str
    train: ImageFiles
    test: ImageFiles
    about: Sequence[str]

    def measure(self, seed: int, starts: Starts) -> None:
        """Adds a row for each start that has none with this seed; all get the same settings and pictures."""

    def values(self, seeds: Sequence[int], starts: Sequence[str]) -> Values:
        """The figures of all rows."""

    def commands(self, seed: int, starts: Starts) -> list[list[str]]:
        """The commands that ``measure`` starts, for the page."""
