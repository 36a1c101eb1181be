"""Paired differences: against SciPy's own test, by known answers, and how often the intervals hold."""

import numpy as np
import pytest
from scipy import stats

from distill.results.paired import paired_difference

OURS, THEIRS = [71.2, 70.4, 72.9, 70.8, 71.5], [69.0, 69.9, 70.3, 69.1, 70.6]


def test_it_is_the_interval_of_the_paired_t_test():
    found = paired_difference(OURS, THEIRS, step=0.04)
    theirs = stats.ttest_rel(OURS, THEIRS).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.mean == pytest.approx(np.mean(OURS) - np.mean(THEIRS))
    assert found.pairs == 5 and found.outcome == "better"
    assert paired_difference(THEIRS, OURS, step=0.04).outcome == "worse"


def test_of_several_comparisons_each_is_taken_more_strictly():
    """Bonferroni: 1 - 0.05 / 4 for each of four."""
    found = paired_difference(OURS, THEIRS, step=0.04, comparisons=4)
    theirs = stats.ttest_rel(OURS, THEIRS).confidence_interval(1 - 0.05 / 4)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_the_same_figures_are_no_difference():
    found = paired_difference(OURS, OURS, step=0.04)
    assert found.mean == 0 and found.low < 0 < found.high and found.outcome == "unclear"


def test_two_equal_differences_prove_less_than_their_deviation_says():
    """With 10 test pictures, twice one picture more: the deviation is 0, the rounding is not."""
    found = paired_difference([60, 50], [50, 40], step=10)
    half = stats.t.ppf(0.975, 1) * (10 / np.sqrt(6)) / np.sqrt(2)
    assert (found.low, found.high) == pytest.approx((10 - half, 10 + half))
    assert found.outcome == "unclear"


def test_text():
    assert str(paired_difference(OURS, THEIRS, step=0.04)) == "+1.6 points (+0.5 to +2.7)"


@pytest.mark.parametrize("values", [([1], [1]), ([], []), ([1, 2], [1])])
def test_what_is_not_paired_is_refused(values):
    with pytest.raises(ValueError, match="needed: pairs, two at least"):
        paired_difference(*values, step=1)


def test_the_intervals_hold_as_often_as_they_say():
    """2,000 times five pairs with a true difference of 1: 95 % within what chance allows (3 deviations)."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        shared = random.normal(0, 3, 5)  # what a seed does to both
        found = paired_difference(
            60 + shared + random.normal(1, 1, 5), 60 + shared + random.normal(0, 1, 5), step=0.01
        )
        held += found.low <= 1 <= found.high
    assert abs(held / 2000 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 2000)
