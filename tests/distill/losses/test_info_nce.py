"""InfoNCE against a slow NumPy transcription."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.losses import info_nce_loss

SHAPES = [(1, 1, 3), (2, 9, 4), (7, 33, 16)]  # batch, negatives, width


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def embeddings(batch, length, width):
    g = torch.Generator().manual_seed(batch)
    query, key = 3 * torch.randn(2, batch, width, generator=g, dtype=torch.float64)
    negatives = torch.randn(length, width, generator=g, dtype=torch.float64)
    return query.requires_grad_(), key, F.normalize(negatives, dim=1)


def by_the_paper(query, key, negatives, temperature):
    """MoCo, equation 1: one query at a time."""
    total = 0.0
    for q, k in zip(unit(query), unit(key), strict=True):
        positive = np.exp(q @ k / temperature)
        others = sum(np.exp(q @ n / temperature) for n in negatives)
        total -= np.log(positive / (positive + others))
    return total / len(query)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [0.07, 0.2])
def test_equals_the_formula(shape, temperature):
    query, key, negatives = embeddings(*shape)
    expected = by_the_paper(query.detach().numpy(), key.numpy(), negatives.numpy(), temperature)
    assert info_nce_loss(query, key, negatives, temperature).item() == pytest.approx(expected, abs=1e-10)
    single = [x.detach().float() for x in (query, key, negatives)]
    loss = info_nce_loss(*single, temperature)
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert info_nce_loss(*single, temperature).equal(loss)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_equals_finite_differences_and_goes_to_the_query_alone(shape):
    query, key, negatives = embeddings(*shape)
    key.requires_grad_(), negatives.requires_grad_()
    assert torch.autograd.gradcheck(lambda q: info_nce_loss(q, key, negatives), query)
    info_nce_loss(query, key, negatives).backward()
    assert key.grad is None and negatives.grad is None


def test_negatives_may_be_overwritten_before_the_backward_pass():
    query, key, negatives = embeddings(3, 10, 4)
    (before,) = torch.autograd.grad(info_nce_loss(query, key, negatives), query)
    loss = info_nce_loss(query, key, negatives)
    negatives.zero_()
    (after,) = torch.autograd.grad(loss, query)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_known_values():
    east, north = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    # the positive and the only negative are alike
    assert info_nce_loss(east, east, F.normalize(east), 0.2).item() == pytest.approx(np.log(2))
    assert info_nce_loss(east, north, north, 0.2).item() == pytest.approx(np.log(2))
    assert info_nce_loss(east, east, north, 0.2).item() == pytest.approx(np.log1p(np.exp(-5)), rel=1e-5)
