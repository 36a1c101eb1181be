"""PCD's loss against a slow NumPy float64 transcription."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.losses import pixel_contrast, pixel_contrast_loss

# batch, width, student's grid, teacher's grid, negatives
SHAPES = [
    (1, 4, (1, 1), (1, 1), 5),
    (3, 8, (2, 3), (2, 3), 17),
    (2, 16, (3, 3), (7, 5), 33),
    (5, 4, (2, 2), (1, 1), 1),
]


def unit(x):
    return x / np.linalg.norm(x)


def maps(batch, width, grid, teacher_grid, length, seed=0):
    g = torch.Generator().manual_seed(seed)
    make = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    negatives = F.normalize(make(length, width), dim=1)
    return make(batch, width, *grid).requires_grad_(), make(batch, width, *teacher_grid), negatives


def average_to(grid, teacher):
    """Each place of the grid is the mean of the teacher's pixels that it touches."""
    (h, w), (height, width) = grid, teacher.shape[-2:]
    pooled = np.empty((*teacher.shape[:2], h, w))
    for i in range(h):
        for j in range(w):
            rows = slice(i * height // h, math.ceil((i + 1) * height / h))
            columns = slice(j * width // w, math.ceil((j + 1) * width / w))
            pooled[:, :, i, j] = teacher[:, :, rows, columns].mean((2, 3))
    return pooled


def by_the_paper(student, teacher, negatives, temperature):
    """One sample and one pixel at a time."""
    batch, _, height, width = student.shape
    teacher, terms = average_to((height, width), teacher), []
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                s, t = unit(student[b, :, i, j]), unit(teacher[b, :, i, j])
                positive = np.exp(s @ t / temperature)
                others = sum(np.exp(s @ n / temperature) for n in negatives)
                terms.append(-np.log(positive / (positive + others)))
    return np.mean(terms)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [0.2, 0.05, 1.0])
@pytest.mark.parametrize("block", [1, 40, pixel_contrast.BLOCK])
def test_equals_the_formula(shape, temperature, block, monkeypatch):
    monkeypatch.setattr(pixel_contrast, "BLOCK", block)
    student, teacher, negatives = maps(*shape)
    expected = by_the_paper(student.detach().numpy(), teacher.numpy(), negatives.numpy(), temperature)
    assert pixel_contrast_loss(student, teacher, negatives, temperature).item() == pytest.approx(
        expected, abs=1e-10
    )
    single = pixel_contrast_loss(student.float(), teacher.float(), negatives.float(), temperature)
    assert single.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block", [1, 40, pixel_contrast.BLOCK])
def test_gradient_made_on_the_way_equals_finite_differences(shape, block, monkeypatch):
    monkeypatch.setattr(pixel_contrast, "BLOCK", block)
    student, teacher, negatives = maps(*shape)
    assert torch.autograd.gradcheck(lambda x: 3 * pixel_contrast_loss(x, teacher, negatives, 0.2), student)


def test_negatives_may_be_overwritten_before_the_backward_pass():
    """The method enqueues right after the loss; the gradient must be that of the old queue."""
    student, teacher, negatives = maps(*SHAPES[1])
    (before,) = torch.autograd.grad(pixel_contrast_loss(student, teacher, negatives), student)
    loss = pixel_contrast_loss(student, teacher, negatives)
    negatives.zero_()
    (after,) = torch.autograd.grad(loss, student)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_known_values():
    """With K negatives like the positive it is log(1 + K); with distant negatives almost 0."""
    pixel = F.normalize(torch.ones(1, 4, 1, 1, dtype=torch.float64), dim=1)
    alike = pixel.flatten(1).expand(9, 4)
    assert pixel_contrast_loss(pixel, pixel, alike).item() == pytest.approx(math.log(10))
    assert pixel_contrast_loss(pixel, pixel, -alike, 0.01).item() == pytest.approx(0, abs=1e-12)


def test_pixels_meet_at_the_same_place_only():
    """Maps shifted by a row have a greater loss; scaled maps have the same one."""
    student, _, negatives = maps(2, 16, (3, 3), (3, 3), 20)
    loss = pixel_contrast_loss(student, student, negatives)
    assert pixel_contrast_loss(student, student.roll(1, 2), negatives) > loss + 1
    torch.testing.assert_close(pixel_contrast_loss(7 * student, 3 * student, negatives), loss)


def test_no_gradient_to_the_teacher_and_none_without_a_student_that_learns():
    student, teacher, negatives = maps(*SHAPES[1])
    loss = pixel_contrast_loss(student.detach(), teacher.requires_grad_(), negatives)
    assert not loss.requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_touch_the_similarities(dtype):
    student, teacher, negatives = (x.detach().float() for x in maps(*SHAPES[2]))
    expected = pixel_contrast_loss(student, teacher, negatives)
    with torch.autocast("cpu", dtype=dtype):
        assert pixel_contrast_loss(student, teacher, negatives).item() == expected.item()
