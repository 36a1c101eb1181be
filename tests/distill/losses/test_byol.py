"""BYOL's loss against a slow NumPy transcription."""

import numpy as np
import pytest
import torch

from distill.losses import byol_loss

SHAPES = [(1, 2), (2, 5), (7, 16)]


def pair(batch, width):
    g = torch.Generator().manual_seed(batch)
    prediction, target = 3 * torch.randn(2, batch, width, generator=g, dtype=torch.float64)
    return prediction.requires_grad_(), target


def by_the_paper(prediction, target):
    """Equation 2, one sample at a time: the squared distance of unit vectors."""
    total = 0.0
    for p, z in zip(prediction, target, strict=True):
        total += ((p / np.linalg.norm(p) - z / np.linalg.norm(z)) ** 2).sum()
    return total / len(prediction)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_formula(shape):
    prediction, target = pair(*shape)
    expected = by_the_paper(prediction.detach().numpy(), target.numpy())
    assert byol_loss(prediction, target).item() == pytest.approx(expected, abs=1e-12)
    single = byol_loss(prediction.float(), target.float())
    assert single.item() == pytest.approx(expected, abs=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert byol_loss(prediction.float(), target.float()).equal(single)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_equals_finite_differences_and_goes_to_the_prediction_alone(shape):
    prediction, target = pair(*shape)
    target.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: byol_loss(p, target), prediction)
    byol_loss(prediction, target).backward()
    assert target.grad is None


def test_known_values():
    east, north = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    assert [byol_loss(east, x).item() for x in (5 * east, north, -east)] == pytest.approx([0, 2, 4])
