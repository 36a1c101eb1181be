"""Mean and variance of all rows there have been, whatever batches they came in."""

import numpy as np
import pytest
import torch

from distill.modules.moments import EPSILON, Moments

ROWS = np.random.default_rng(0).normal(1000, [0.1, 5, 0], (40, 3))


@pytest.mark.parametrize("batches", [(40,), (1, 39), (7, 13, 20), (1,) * 40])
def test_they_are_those_of_all_rows_at_once(batches):
    moments, start = Moments(3), 0
    for size in batches:
        moments.update(torch.from_numpy(ROWS[start : start + size]).float())
        start += size
    assert moments.rows == 40
    np.testing.assert_allclose(moments.mean, ROWS.mean(0), rtol=1e-7)
    np.testing.assert_allclose(moments.variance, ROWS.var(0), rtol=1e-3, atol=1e-9)


def test_standardised_rows_have_mean_0_and_variance_1():
    moments = Moments(3)
    moments.update(torch.from_numpy(ROWS))
    found = moments.standardise(torch.from_numpy(ROWS)).numpy()
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found.var(0), ROWS.var(0) / (ROWS.var(0) + EPSILON), atol=1e-6)


def test_a_column_that_never_changes_becomes_zeros():
    moments = Moments(2)
    for _ in range(3):
        moments.update(torch.full((4, 2), 7.0))
    assert moments.standardise(torch.full((4, 2), 7.0)).abs().max() == 0


def test_they_go_on_counting_pixels_after_many_epochs():
    """In single precision 2 ** 24 rows and one more are as many."""
    moments = Moments(1)
    moments.rows.fill_(2.0**40)
    moments.update(torch.zeros(1, 1))
    assert moments.rows == 2**40 + 1
