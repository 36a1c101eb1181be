"""The difference of two starts that were measured with the same seeds, and how surely it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev


@dataclass(frozen=True)
class Difference:
    """Points by which one start is better than the other: the mean, and the interval that holds it."""

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def outcome(self) -> str:
        """``better``, ``worse``, or ``unclear`` where the interval holds 0."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "unclear"

    def __str__(self) -> str:
        return f"{self.mean:+.1f} points ({self.low:+.1f} to {self.high:+.1f})"


def paired_difference(
    ours: Sequence[float],
    theirs: Sequence[float],
    step: float,
    comparisons: int = 1,
    confidence: float = 0.95,
) -> Difference:
    """Student's interval for the mean of paired differences.

    Of several comparisons all intervals together hold with at least the confidence: each is taken at
    ``1 - (1 - confidence) / comparisons`` (Bonferroni). Metrics come in steps, so that few pairs may agree by
    chance: the variance is never taken below that of rounding both to a step, ``step ** 2 / 6``.

    Args:
        ours, theirs: percent, a value a seed, in the same order; two seeds at least.
        step: the points that one test picture counts.
        comparisons: how many are made on the same data.
    """
    from scipy import stats  # 0.3 s, only where a verdict is due

    if len(ours) != len(theirs) or len(ours) < 2:
        raise ValueError(f"{len(ours)} and {len(theirs)} values; needed: pairs, two at least")
    differences = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    deviation = sqrt(max(stdev(differences) ** 2, step**2 / 6))
    quantile = stats.t.ppf(1 - (1 - confidence) / (2 * comparisons), len(differences) - 1)
    mean, half = fmean(differences), float(quantile) * deviation / sqrt(len(differences))
    return Difference(mean, mean - half, mean + half, len(differences))
