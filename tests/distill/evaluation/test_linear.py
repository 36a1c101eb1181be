import numpy as np
import pytest
import torch
from torch import nn

from distill.errors import UserError
from distill.evaluation import Linear
from distill.evaluation.linear import standardise, topk_accuracy


def test_standardisation_equals_its_definition():
    generator = torch.Generator().manual_seed(0)
    train, val = (torch.rand(n, 9, generator=generator) * 3 for n in (50, 20))
    kept = train.clone()
    got_train, got_val = standardise(train, val)
    assert torch.equal(train, kept)
    unit = [
        x.double().numpy() / np.linalg.norm(x.double().numpy(), axis=1, keepdims=True) for x in (train, val)
    ]
    mean, deviation = unit[0].mean(0), unit[0].std(0)
    np.testing.assert_allclose(got_train.numpy(), (unit[0] - mean) / deviation, atol=1e-5)
    np.testing.assert_allclose(got_val.numpy(), (unit[1] - mean) / deviation, atol=1e-5)


def test_a_dead_dimension_stays_zero_instead_of_becoming_noise():
    train = torch.rand(50, 4)
    train[:, 2] = 0
    val = torch.rand(10, 4)
    got, got_val = standardise(train, val)
    assert (got[:, 2] == 0).all() and got_val.abs().max() < 100


def slow_sgd(x, y, weight, bias, orders, settings):
    """Softmax regression by SGD with momentum and weight decay, gradient written out, float64."""
    velocity_w, velocity_b = np.zeros_like(weight), np.zeros_like(bias)
    for epoch, order in enumerate(orders):
        lr = settings.lr * settings.gamma ** sum(epoch >= milestone for milestone in settings.milestones)
        for start in range(0, len(x), settings.batch_size):
            rows = order[start : start + settings.batch_size]
            logits = x[rows] @ weight.T + bias
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(rows)), y[rows]] -= 1
            gradient = p / len(rows)
            velocity_w = (
                settings.momentum * velocity_w + gradient.T @ x[rows] + settings.weight_decay * weight
            )
            velocity_b = settings.momentum * velocity_b + gradient.sum(0) + settings.weight_decay * bias
            weight, bias = weight - lr * velocity_w, bias - lr * velocity_b
    return weight, bias


def test_training_equals_a_slow_transcription(separable):
    """Last short batch, momentum, weight decay and both drops of the learning rate included."""
    train, val = separable
    settings = Linear(epochs=6, milestones=(2, 4), batch_size=64, lr=0.1, weight_decay=0.01, seed=3)
    x, _ = standardise(train.x, val.x)
    got = settings.fit(x, train.y, 7)
    generator = torch.Generator().manual_seed(3)
    orders = [torch.randperm(len(x), generator=generator).numpy() for _ in range(6)]
    torch.manual_seed(3)
    start = nn.Linear(x.shape[1], 7)
    weight, bias = slow_sgd(
        x.double().numpy(), train.y.numpy(), start.weight.detach().double().numpy(),
        start.bias.detach().double().numpy(), orders, settings,
    )  # fmt: skip
    np.testing.assert_allclose(got.weight.detach().numpy(), weight, atol=1e-5)
    np.testing.assert_allclose(got.bias.detach().numpy(), bias, atol=1e-5)


def test_separable_classes_are_all_right_and_meaningless_ones_at_chance(separable, meaningless):
    assert Linear().run(*separable) == {"top1": 100.0, "top5": 100.0}
    metrics = Linear(epochs=5).run(*meaningless)
    assert metrics["top1"] == pytest.approx(100 / 7, abs=6)
    assert metrics["top5"] == pytest.approx(500 / 7, abs=9)


def test_same_seed_same_result_and_global_random_state_untouched(meaningless):
    before = torch.get_rng_state()
    first = Linear(epochs=3, seed=1).run(*meaningless)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert Linear(epochs=3, seed=1).run(*meaningless) == first


def test_defaults_are_the_papers():
    linear = Linear()
    assert (linear.lr, linear.momentum, linear.weight_decay, linear.batch_size) == (0.01, 0.9, 1e-4, 256)
    assert (linear.epochs, linear.milestones, linear.gamma) == (40, (15, 30), 0.1)


def test_topk_by_hand():
    logits = torch.tensor([[0.1, 0.9, 0.5], [0.7, 0.2, 0.1]])
    assert topk_accuracy(logits, torch.tensor([2, 0]), 1) == 50
    assert topk_accuracy(logits, torch.tensor([2, 0]), 2) == 100


def test_bad_settings_are_refused():
    with pytest.raises(UserError, match="linear: epochs"):
        Linear(epochs=0)
