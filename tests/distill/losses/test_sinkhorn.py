"""Codes against the plain alternation of row and column sums, in one process and in two."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.losses import sinkhorn
from tests import processes

SHAPES = [(1, 3), (5, 12), (40, 7), (33, 100)]  # samples, prototypes


def sinkhorn_by_the_paper(scores, epsilon, iterations):
    """SwAV, section 3.1 and its pseudo-code: exp, then prototypes and samples in turn; float64."""
    samples, prototypes = scores.shape
    q = np.exp(scores / epsilon).T
    q /= q.sum()
    for _ in range(iterations):
        for p in range(prototypes):
            q[p] /= q[p].sum() * prototypes
        for n in range(samples):
            q[:, n] /= q[:, n].sum() * samples
    return (q * samples).T


def cosines(samples, prototypes, seed=0):
    g = torch.Generator().manual_seed(seed)
    rows, centres = (
        F.normalize(torch.randn(n, 8, generator=g, dtype=torch.float64), dim=1) for n in (samples, prototypes)
    )
    return rows @ centres.T


@pytest.mark.parametrize(("samples", "prototypes"), SHAPES)
@pytest.mark.parametrize(("epsilon", "iterations"), [(0.05, 3), (0.05, 1), (0.5, 10)])
def test_equals_the_formula(samples, prototypes, epsilon, iterations):
    scores = cosines(samples, prototypes)
    expected = torch.from_numpy(sinkhorn_by_the_paper(scores.numpy(), epsilon, iterations))
    torch.testing.assert_close(sinkhorn(scores, epsilon, iterations), expected, rtol=1e-9, atol=1e-12)
    single = sinkhorn(scores.float(), epsilon, iterations)
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("samples", "prototypes"), SHAPES)
def test_samples_sum_to_one_and_prototypes_are_used_equally(samples, prototypes):
    scores = cosines(samples, prototypes)
    codes = sinkhorn(scores)
    torch.testing.assert_close(codes.sum(1), torch.ones(samples, dtype=torch.float64))
    equal = torch.full((prototypes,), samples / prototypes, dtype=torch.float64)
    spread = lambda q: (q.sum(0) / equal - 1).abs().max()  # noqa: E731
    assert spread(codes) < spread((scores / 0.05).softmax(1)) or samples == 1
    torch.testing.assert_close(sinkhorn(scores, 0.5, 200).sum(0), equal, rtol=1e-6, atol=0)


def test_known_answers():
    alike = torch.full((4, 8), 0.3)
    torch.testing.assert_close(sinkhorn(alike), torch.full((4, 8), 1 / 8))
    # all samples are nearest to the first prototype, and yet both are used
    codes = sinkhorn(torch.tensor([[1.0, 0.0], [1.0, 0.1]]), epsilon=0.01, iterations=50)
    torch.testing.assert_close(codes, torch.eye(2), rtol=0, atol=0.05)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype):
    """exp(1 / 0.05) is 485,165,195; half precision ends at 65,504."""
    scores = torch.eye(6, dtype=dtype)
    with torch.autocast("cpu", dtype=dtype):
        codes = sinkhorn(scores)
    assert codes.dtype == torch.float32
    torch.testing.assert_close(codes, sinkhorn(scores.float()), rtol=0, atol=0)


@pytest.mark.parametrize("factor", [1e-3, 50.0])
def test_neither_overflow_nor_underflow(factor):
    """Scores far outside [-1, 1] and a tiny epsilon: in exponentials these would be infinite or all zero."""
    codes = sinkhorn(cosines(9, 5).float() * factor, epsilon=0.05 * 1e-3)
    assert codes.isfinite().all()
    torch.testing.assert_close(codes.sum(1), torch.ones(9))


def codes_of_one(rank: int) -> torch.Tensor:
    return sinkhorn(cosines(11, 6)[[slice(0, 4), slice(4, 11)][rank]])


def test_two_processes_get_the_codes_of_one(tmp_path):
    """Even if they have different numbers of rows."""
    both = torch.cat(processes.in_two(codes_of_one, tmp_path))
    torch.testing.assert_close(both, sinkhorn(cosines(11, 6)))
