"""The noise-contrastive loss against a slow NumPy transcription of the paper's form."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.losses import Normaliser, match_logits, noise_contrastive_loss

SHAPES = [(1, 1, 3), (2, 5, 4), (7, 33, 8)]  # batch, negatives, width


def vectors(batch, negatives, width, seed=0):
    g = torch.Generator().manual_seed(seed)
    make = lambda *shape: F.normalize(torch.randn(*shape, generator=g, dtype=torch.float64), dim=-1)  # noqa: E731
    return make(batch, width).requires_grad_(), make(batch, width), make(negatives, width)


def nce_by_the_paper(query, positive, negatives, temperature, samples, z):
    """CRD, equation 18 with h = p / (p + K/n), p = exp(similarity / T) / Z."""
    total, noise = 0.0, len(negatives) / samples
    for q, match in zip(query, positive, strict=True):
        p = np.exp(q @ match / temperature) / z
        total -= np.log(p / (p + noise))
        for other in negatives:
            p = np.exp(q @ other / temperature) / z
            total -= np.log(noise / (p + noise))
    return total / len(query)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_equals_the_formula_for_any_number_of_samples(shape, temperature):
    """Z = n x mean(exp(logits)): the number of samples n cancels."""
    query, positive, negatives = vectors(*shape)
    logits = match_logits(query, positive, negatives, temperature)
    log_mean = logits.detach().exp().mean().log() + 0.3  # of another batch
    arrays = [x.detach().numpy() for x in (query, positive, negatives)]
    for samples in (10, 1_281_167):
        expected = nce_by_the_paper(*arrays, temperature, samples, samples * log_mean.exp().item())
        assert noise_contrastive_loss(logits, log_mean).item() == pytest.approx(expected, abs=1e-8)
    single = match_logits(*(x.float() for x in (query, positive, negatives)), temperature)
    assert noise_contrastive_loss(single, log_mean.float()).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_equals_finite_differences(shape):
    query, positive, negatives = vectors(*shape)
    loss = lambda q: noise_contrastive_loss(match_logits(q, positive, negatives, 0.2), 0.5)  # noqa: E731
    assert torch.autograd.gradcheck(loss, query)


def test_known_answer():
    """If all logits are the mean, the critic gives each of the 1 + K the odds 1 : K."""
    k = 4
    expected = math.log(1 + k) - k * math.log(k / (1 + k))
    assert noise_contrastive_loss(torch.full((3, 1 + k), 2.0), 2.0).item() == pytest.approx(expected)


def test_partition_is_fixed_by_the_first_batch_and_is_state():
    normaliser = Normaliser()
    first = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    expected = math.log(sum(math.exp(x) for x in range(4)) / 4)
    assert normaliser(first).item() == pytest.approx(expected)
    assert normaliser(first + 50).item() == pytest.approx(expected)
    resumed = Normaliser()
    resumed.load_state_dict(normaliser.state_dict())
    assert resumed(first - 7).item() == pytest.approx(expected)


def test_nothing_overflows():
    """exp(1 / 0.005) is beyond float32; the logits are not."""
    query, positive, negatives = (x.detach().float().requires_grad_() for x in vectors(2, 6, 4))
    logits = match_logits(query, positive, negatives, 0.005)
    loss = noise_contrastive_loss(logits, Normaliser()(logits))
    loss.backward()
    assert loss.isfinite()
    assert query.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_does_not_touch_the_similarities(dtype):
    query, positive, negatives = (x.float() for x in vectors(4, 9, 16))
    expected = noise_contrastive_loss(match_logits(query, positive, negatives, 0.07), 1.0)
    with torch.autocast("cpu", dtype=dtype):
        assert noise_contrastive_loss(match_logits(query, positive, negatives, 0.07), 1.0).equal(expected)
