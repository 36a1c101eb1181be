"""Squared errors of embeddings against a slow NumPy transcription."""

import numpy as np
import pytest
import torch

from distill.losses import regression_loss
from distill.losses.regression import NORMALISATIONS, standardise

SHAPES = [(1, 3), (2, 5), (9, 4)]


def pair(batch, width):
    g = torch.Generator().manual_seed(batch)
    student, teacher = torch.randn(2, batch, width, generator=g, dtype=torch.float64)
    return (3 * student + 1).requires_grad_(), teacher


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_hand(student, teacher, normalisation):
    if normalisation == "l2":
        pairs = zip(unit(student), unit(teacher), strict=True)
        return sum(((s - t) ** 2).sum() for s, t in pairs) / len(student)
    if normalisation == "batch_norm":
        student, teacher = ((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) for x in (student, teacher))
    total = 0.0
    for i in range(student.shape[0]):
        for j in range(student.shape[1]):
            total += (student[i, j] - teacher[i, j]) ** 2
    return total / student.size


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_equals_the_formula(shape, normalisation):
    student, teacher = pair(*shape)
    expected = by_hand(student.detach().numpy(), teacher.numpy(), normalisation)
    assert regression_loss(student, teacher, normalisation).item() == pytest.approx(expected, abs=1e-10)
    single = regression_loss(student.float(), teacher.float(), normalisation)
    assert single.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert regression_loss(student.float(), teacher.float(), normalisation).equal(single)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_gradient_equals_finite_differences(shape, normalisation):
    student, teacher = pair(*shape)
    assert torch.autograd.gradcheck(lambda s: regression_loss(s, teacher, normalisation), student)


def test_l2_is_two_minus_two_cosines():
    student, teacher = torch.tensor([[2.0, 0.0], [0.0, -3.0]]), torch.tensor([[0.0, 5.0], [0.0, 1.0]])
    assert regression_loss(student, teacher, "l2").item() == pytest.approx((2 + 4) / 2)


def test_batch_norm_forgets_scale_and_shift():
    _, teacher = pair(6, 4)
    assert regression_loss(100 * teacher - 7, teacher, "batch_norm").item() == pytest.approx(0, abs=1e-7)


def test_standardise_is_torchs_batch_norm_without_parameters():
    student, _ = pair(8, 5)
    norm = torch.nn.BatchNorm1d(5, affine=False, track_running_stats=False).double()
    torch.testing.assert_close(standardise(student), norm(student))


def test_a_batch_of_one_has_no_statistics_and_no_loss():
    student, teacher = pair(1, 4)
    loss = regression_loss(student, teacher, "batch_norm")
    loss.backward()
    assert loss.item() == 0
    assert student.grad.eq(0).all()
