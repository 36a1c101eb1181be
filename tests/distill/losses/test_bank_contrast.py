"""CRD's loss over rows of a bank against a slow NumPy transcription of the paper's form."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.losses import Normaliser, bank_contrast, bank_contrast_loss

SHAPES = [(1, 1, 3), (2, 5, 4), (7, 33, 8)]  # batch, negatives, width
ROWS = 12
LOG_MEAN = 0.4


def inputs(batch, negatives, width, dtype=torch.float64):
    """Queries, a bank, their own rows, and other rows, some of them more than once."""
    g = torch.Generator().manual_seed(0)
    query, bank = (F.normalize(torch.randn(n, width, generator=g, dtype=dtype), dim=1) for n in (batch, ROWS))
    own, others = (torch.randint(ROWS, shape, generator=g) for shape in ((batch,), (batch, negatives)))
    return query.requires_grad_(), bank, own, others


def loss(query, bank, own, others, temperature=0.07, normaliser=lambda logits: LOG_MEAN):
    return bank_contrast_loss(query, bank, own, others, temperature, normaliser)


def crd_by_the_paper(query, bank, own, others, temperature):
    """CRD, equation 18 with h = p / (p + K/n), p = exp(similarity / T) / Z, Z = n exp(LOG_MEAN)."""
    total, samples = 0.0, 100
    for q, match, drawn in zip(query, own, others, strict=True):
        noise, z = len(drawn) / samples, samples * np.exp(LOG_MEAN)
        p = np.exp(q @ bank[match] / temperature) / z
        total -= np.log(p / (p + noise))
        for other in drawn:
            p = np.exp(q @ bank[other] / temperature) / z
            total -= np.log(noise / (p + noise))
    return total / len(query)


@pytest.fixture(params=[1, 20, 10_000], ids=["row by row", "a few rows at a time", "all rows at once"])
def block(request, monkeypatch):
    monkeypatch.setitem(bank_contrast.BLOCK, "cpu", request.param)
    monkeypatch.setattr(bank_contrast, "PART", request.param)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_equals_the_formula(shape, temperature, block):
    given = inputs(*shape)
    arrays = [x.detach().numpy() for x in given]
    assert loss(*given, temperature).item() == pytest.approx(crd_by_the_paper(*arrays, temperature), abs=1e-8)
    single = [x.float() if x.is_floating_point() else x for x in given]
    assert loss(*single, temperature).item() == pytest.approx(
        crd_by_the_paper(*arrays, temperature), rel=1e-5
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_equals_finite_differences(shape, block):
    query, *rest = inputs(*shape)
    assert torch.autograd.gradcheck(lambda q: loss(q, *rest), query)


def test_the_bank_may_change_before_the_backward_pass():
    (query, bank, *rest), expected = inputs(7, 33, 8), []
    for change in (False, True):
        query.grad = None
        found = loss(query, bank, *rest)
        if change:
            bank.zero_()
        found.backward()
        expected.append(query.grad)
    assert torch.equal(*expected)


def test_the_normaliser_sees_all_logits_with_the_match_first():
    query, bank, own, others = inputs(3, 5, 4)
    seen = []
    loss(query, bank, own, others, 0.5, lambda logits: seen.append(logits) or 0.0)
    rows = bank[torch.cat([own[:, None], others], dim=1)]
    torch.testing.assert_close(seen[0], (rows * query[:, None]).sum(2) / 0.5)


def test_autocast_does_not_touch_it():
    given = inputs(4, 9, 16, torch.float32)
    expected = loss(*given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(*given).equal(expected)


def test_nothing_overflows():
    """exp(1 / 0.005) is beyond float32; the logits are not."""
    query, *rest = inputs(2, 6, 4, torch.float32)
    found = loss(query, *rest, 0.005, Normaliser())
    found.backward()
    assert found.isfinite() and query.grad.isfinite().all()
