"""The cosine of two maps, pixel by pixel."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.losses import map_cosine_loss


def transcription(student: np.ndarray, teacher: np.ndarray) -> float:
    """``1 - cos`` of every sample and pixel, by loops; then the mean."""
    found = []
    for s, t in zip(student, teacher, strict=True):
        for i in np.ndindex(s.shape[1:]):
            one, other = s[:, *i], t[:, *i]
            found.append(1 - one @ other / np.sqrt((one @ one) * (other @ other)))
    return float(np.mean(found))


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def test_it_is_the_formula():
    student, teacher = maps(2, 5, 3, 4), maps(2, 5, 3, 4).flip(0)
    expected = transcription(student.numpy(), teacher.numpy())
    assert map_cosine_loss(student, teacher).item() == pytest.approx(expected)


def test_known_answers():
    some = maps(2, 5, 3, 3)
    assert map_cosine_loss(3 * some, some).item() == pytest.approx(0)
    assert map_cosine_loss(-some, some).item() == pytest.approx(2)


def test_a_student_on_another_grid_is_interpolated_to_the_teachers():
    student, teacher = maps(2, 5, 4, 4), maps(2, 5, 3, 3)
    same = map_cosine_loss(F.interpolate(student, (3, 3), mode="bilinear"), teacher)
    assert map_cosine_loss(student, teacher) == same


def test_the_teacher_gets_no_gradient():
    student, teacher = maps(2, 5, 2, 2).requires_grad_(), maps(2, 5, 2, 2).requires_grad_()
    map_cosine_loss(student, teacher).backward()
    assert student.grad.abs().sum() > 0 and teacher.grad is None
