"""Probabilistic transfer against a slow NumPy transcription of its formula."""

import numpy as np
import pytest
import torch

from distill.losses import probabilistic_transfer_loss


def pair(batch, student_width, teacher_width):
    g = torch.Generator().manual_seed(batch)
    make = lambda width: torch.randn(batch, width, generator=g, dtype=torch.float64)  # noqa: E731
    return make(student_width).requires_grad_(), make(teacher_width)


def by_the_paper(student, teacher):
    """Passalis and Tefas: conditional probabilities of the others under the cosine kernel, KL divergence."""

    def kernel(a, b):
        return (1 + a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2

    total, batch = 0.0, len(student)
    for i in range(batch):
        others = [j for j in range(batch) if j != i]
        q = np.array([kernel(teacher[i], teacher[j]) for j in others])
        p = np.array([kernel(student[i], student[j]) for j in others])
        q, p = q / q.sum(), p / p.sum()
        total += sum(a * np.log(a / b) for a, b in zip(q, p, strict=True))
    return total / batch


SHAPES = [(2, 3, 3), (3, 4, 7), (8, 16, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_formula(shape):
    student, teacher = pair(*shape)
    expected = by_the_paper(student.detach().numpy(), teacher.numpy())
    assert probabilistic_transfer_loss(student, teacher).item() == pytest.approx(expected, abs=1e-10)
    single = probabilistic_transfer_loss(student.float(), teacher.float())
    assert single.item() == pytest.approx(expected, abs=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert probabilistic_transfer_loss(student.float(), teacher.float()).equal(single)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_equals_finite_differences(shape):
    student, teacher = pair(*shape)
    assert torch.autograd.gradcheck(lambda s: probabilistic_transfer_loss(s, teacher), student)


def test_a_batch_of_one_has_no_neighbours_and_no_loss():
    student, teacher = pair(1, 4, 6)
    loss = probabilistic_transfer_loss(student, teacher)
    loss.backward()
    assert loss.item() == 0
    assert student.grad.eq(0).all()


def test_a_perfect_student_has_no_loss():
    student, _ = pair(6, 5, 5)
    assert probabilistic_transfer_loss(student, 3 * student.detach()).item() == pytest.approx(0, abs=1e-12)


def test_opposite_embeddings_are_finite():
    """Their similarity is 0, and log(0) would be infinite."""
    student = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    teacher = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    loss = probabilistic_transfer_loss(student, teacher)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()
