"""Each loss against a slow NumPy float64 transcription of its paper's formula."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.losses import anchor_divergence, compress_loss, nt_xent_loss, seed_loss

SHAPES = [(1, 5, 4), (3, 17, 8), (7, 64, 16)]  # batch, anchors, width


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def embeddings(batch, length, student_width, teacher_width, seed=0):
    g = torch.Generator().manual_seed(seed)
    make = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    return (
        make(batch, student_width).requires_grad_(),
        make(batch, teacher_width),
        F.normalize(make(length, student_width), dim=1),
        F.normalize(make(length, teacher_width), dim=1),
    )


def compress_by_the_paper(student, teacher, student_anchors, teacher_anchors, temperature):
    """CompRess, section 3: KL(p(t) || p(s)), one query at a time, mean over queries."""
    total = 0.0
    for s, t in zip(unit(student), unit(teacher), strict=True):
        p_t = softmax(teacher_anchors @ t / temperature)
        p_s = softmax(student_anchors @ s / temperature)
        total += sum(a * (np.log(a) - np.log(b)) for a, b in zip(p_t, p_s, strict=True))
    return total / len(student)


def seed_by_the_paper(student, teacher, anchors, student_temperature, teacher_temperature):
    """SEED, equations 3-5: soft cross-entropy over [the own teacher embedding; the queue]."""
    total = 0.0
    for s, t in zip(unit(student), unit(teacher), strict=True):
        extended = np.vstack([t, anchors])
        q = softmax(extended @ t / teacher_temperature)
        p = softmax(extended @ s / student_temperature)
        total -= sum(a * np.log(b) for a, b in zip(q, p, strict=True) if a > 0)
    return total / len(student)


def nt_xent_by_the_paper(first, second, temperature):
    """SimCLR, equation 1, over all ordered positive pairs."""
    z = unit(np.concatenate([first, second]))
    n, total = len(first), 0.0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = [np.exp(z[i] @ z[k] / temperature) for k in range(2 * n) if k != i]
        total -= np.log(np.exp(z[i] @ z[j] / temperature) / sum(others))
    return total / (2 * n)


@pytest.mark.parametrize(("batch", "length", "width"), SHAPES)
@pytest.mark.parametrize("temperature", [0.04, 0.007, 1.0])
def test_compress_equals_the_formula(batch, length, width, temperature):
    s, t, s_anchors, t_anchors = embeddings(batch, length, width, 2 * width)
    expected = compress_by_the_paper(
        s.detach().numpy(), t.numpy(), s_anchors.numpy(), t_anchors.numpy(), temperature
    )
    torch.testing.assert_close(
        compress_loss(s, t, s_anchors, t_anchors, temperature).item(), expected, rtol=1e-9, atol=1e-9
    )
    single = compress_loss(s.float(), t.float(), s_anchors.float(), t_anchors.float(), temperature)
    assert single.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("batch", "length", "width"), SHAPES)
@pytest.mark.parametrize("teacher_temperature", [1e-4, 0.01])
def test_seed_equals_the_formula(batch, length, width, teacher_temperature):
    s, t, _, anchors = embeddings(batch, length, width, width)
    expected = seed_by_the_paper(s.detach().numpy(), t.numpy(), anchors.numpy(), 0.2, teacher_temperature)
    loss = seed_loss(s, t, anchors, 0.2, teacher_temperature)
    assert loss.item() == pytest.approx(expected, abs=1e-9)
    assert seed_loss(s.float(), t.float(), anchors.float(), 0.2, teacher_temperature).item() == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize("batch", [1, 2, 9])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_equals_the_formula(batch, temperature):
    first, second, *_ = embeddings(batch, 1, 8, 8)
    expected = nt_xent_by_the_paper(first.detach().numpy(), second.numpy(), temperature)
    assert nt_xent_loss(first, second, temperature).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("batch", "length", "width"), SHAPES)
@pytest.mark.parametrize("block", [1, 40, 2**19])
def test_gradient_made_on_the_way_equals_finite_differences(batch, length, width, block, monkeypatch):
    """The forward pass makes the gradient itself, in blocks of rows; every block size gives the same."""
    monkeypatch.setitem(
        anchor_divergence.BLOCK, "cpu", block
    )
    s, t, s_anchors, t_anchors = embeddings(batch, length, width, width)
    assert torch.autograd.gradcheck(lambda x: compress_loss(x, t, s_anchors, t_anchors, 0.2), s)
    assert torch.autograd.gradcheck(lambda x: seed_loss(x, t, t_anchors, 0.2, 0.05), s)


def test_gradient_equals_autograd_of_the_straightforward_form():
    s, t, s_anchors, t_anchors = embeddings(6, 50, 8, 12)
    (ours,) = torch.autograd.grad(compress_loss(s, t, s_anchors, t_anchors, 0.04), s)
    log_p = F.log_softmax(F.normalize(s, dim=1) @ s_anchors.T / 0.04, dim=1)
    q = F.softmax(F.normalize(t, dim=1) @ t_anchors.T / 0.04, dim=1)
    (theirs,) = torch.autograd.grad(F.kl_div(log_p, q, reduction="batchmean"), s)
    torch.testing.assert_close(ours, theirs)


def test_anchors_may_be_overwritten_before_the_backward_pass():
    """Methods enqueue right after the loss; the gradient must be that of the anchors of the forward pass."""
    s, t, s_anchors, t_anchors = embeddings(4, 20, 8, 8)
    (before,) = torch.autograd.grad(compress_loss(s, t, s_anchors, t_anchors), s)
    loss = compress_loss(s, t, s_anchors, t_anchors)
    s_anchors.zero_(), t_anchors.zero_()
    (after,) = torch.autograd.grad(loss, s)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_a_perfect_student_has_no_loss_and_no_gradient():
    s, _, anchors, _ = embeddings(5, 30, 8, 8)
    loss = compress_loss(s, s.detach(), anchors, anchors)
    (gradient,) = torch.autograd.grad(loss, s)
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max() < 1e-12


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_touch_the_similarities(dtype):
    """At T = 1e-4 a half-precision similarity is off by whole logits: the loss must stay in float32."""
    s, t, _, anchors = (x.float() for x in embeddings(8, 200, 16, 16))
    expected = seed_loss(s, t, anchors)
    with torch.autocast("cpu", dtype=dtype):
        assert seed_loss(s, t, anchors).item() == expected.item()
