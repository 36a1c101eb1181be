"""The cluster losses of SwAV and OSS against slow transcriptions of their sums."""

import numpy as np
import pytest
import torch

from distill.losses import swapped_prediction_loss

SHAPES = [(2, 1, 3), (3, 5, 4), (8, 2, 7)]  # views, batch, prototypes


def log_softmax(x):
    return x - x.max() - np.log(np.exp(x - x.max()).sum())


def swav_by_the_paper(scores, codes, temperature):
    """Scores (V, B, P): every view but i predicts the code of full crop i."""
    views, total = len(scores), 0.0
    for i, code in enumerate(codes):
        subloss = 0.0
        for v in range(views):
            if v != i:
                rows = zip(code, scores[v], strict=True)
                subloss -= np.mean([q @ log_softmax(s / temperature) for q, s in rows])
        total += subloss / (views - 1)
    return total / len(codes)


def oss_by_the_paper(clean, dropped, codes, temperature, own_copy):
    """OSS, pseudo-code of appendix A.1: v over 2 (2 + V) views, divisor 2 (2 + V) - 2, then halved."""
    scores, loss = np.concatenate([clean, dropped]), 0.0
    for i in (0, 1):
        subloss = 0.0
        for v in range(len(scores)):
            if v == i or (v == i + len(clean) and not own_copy):
                continue
            rows = zip(codes[i], scores[v], strict=True)
            subloss -= np.mean([q @ log_softmax(s / temperature) for q, s in rows])
        loss += subloss / (2 * len(clean) - 2) / 2
    return loss


def inputs(copies, views, batch, prototypes):
    g = torch.Generator().manual_seed(0)
    scores = torch.rand(copies, views, batch, prototypes, generator=g, dtype=torch.float64) * 2 - 1
    codes = torch.rand(2, batch, prototypes, generator=g, dtype=torch.float64)
    return scores.requires_grad_(), codes / codes.sum(-1, keepdim=True)


@pytest.mark.parametrize(("views", "batch", "prototypes"), SHAPES)
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_swav(views, batch, prototypes, temperature):
    scores, codes = inputs(1, views, batch, prototypes)
    expected = swav_by_the_paper(scores.detach()[0].numpy(), codes.numpy(), temperature)
    assert swapped_prediction_loss(scores, codes, temperature).item() == pytest.approx(expected, abs=1e-12)
    single = swapped_prediction_loss(scores.float(), codes.float(), temperature)
    assert single.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("views", "batch", "prototypes"), SHAPES)
@pytest.mark.parametrize("own_copy", [False, True])
def test_oss(views, batch, prototypes, own_copy):
    scores, codes = inputs(2, views, batch, prototypes)
    clean, dropped = scores.detach().numpy()
    expected = oss_by_the_paper(clean, dropped, codes.numpy(), 0.1, own_copy)
    loss = swapped_prediction_loss(scores, codes, 0.1, own_copy)
    assert loss.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("own_copy", [False, True])
def test_gradient(copies, own_copy):
    scores, codes = inputs(copies, 3, 2, 4)
    assert torch.autograd.gradcheck(lambda x: swapped_prediction_loss(x, codes, 0.2, own_copy), scores)


def test_a_view_does_not_predict_its_own_code():
    """With one code, of view 0, neither view 0 nor its dropout copy gets a gradient."""
    scores, codes = inputs(2, 3, 4, 5)
    (gradient,) = torch.autograd.grad(swapped_prediction_loss(scores, codes[:1]), scores)
    assert not gradient[:, 0].any() and gradient[:, 1:].any(-1).all()


def test_codes_get_no_gradient():
    scores, codes = inputs(1, 3, 4, 5)
    codes.requires_grad_()
    swapped_prediction_loss(scores, codes).backward()
    assert codes.grad is None


def test_known_answer():
    """If all scores are equal, the loss is log P, whatever the codes."""
    _, codes = inputs(2, 4, 3, 9)
    loss = swapped_prediction_loss(torch.zeros(2, 4, 3, 9, dtype=torch.float64), codes)
    assert loss.item() == pytest.approx(np.log(9), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_does_not_touch_it(dtype):
    scores, codes = (x.detach().float() for x in inputs(2, 4, 3, 9))
    expected = swapped_prediction_loss(scores, codes)
    with torch.autocast("cpu", dtype=dtype):
        assert swapped_prediction_loss(scores, codes).item() == expected.item()
        assert swapped_prediction_loss(scores.to(dtype), codes).dtype == torch.float32
