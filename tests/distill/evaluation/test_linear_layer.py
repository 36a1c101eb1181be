"""The loop that linear layers share: each step against its definition in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from distill.evaluation.linear_layer import Descent, accuracies, fit, logits_of, topk_accuracy


def slow_sgd(x, y, weight, bias, orders, descent):
    """Softmax regression by SGD with momentum and weight decay, gradient written out, float64."""
    velocity_w, velocity_b = np.zeros_like(weight), np.zeros_like(bias)
    steps = -(-len(x) // descent.batch_size)
    for epoch, order in enumerate(orders):
        for step in range(steps):
            rows = order[step * descent.batch_size : (step + 1) * descent.batch_size]
            lr = slow_rate(descent, epoch, step, steps)
            logits = x[rows] @ weight.T + bias
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(rows)), y[rows]] -= 1
            gradient = p / len(rows)
            velocity_w = descent.momentum * velocity_w + gradient.T @ x[rows] + descent.weight_decay * weight
            velocity_b = descent.momentum * velocity_b + gradient.sum(0) + descent.weight_decay * bias
            weight, bias = weight - lr * velocity_w, bias - lr * velocity_b
    return weight, bias


def slow_rate(descent, epoch, step, steps):
    if descent.milestones is None:
        return descent.lr * (1 + np.cos(np.pi * (epoch * steps + step) / (descent.epochs * steps))) / 2
    return descent.lr * descent.gamma ** sum(epoch >= milestone for milestone in descent.milestones)


@pytest.mark.parametrize("milestones", [(2, 4), None])
def test_training_equals_a_slow_transcription(separable, milestones):
    """Last short batch, momentum, weight decay and both schedules included."""
    train, _ = separable
    descent = Descent(6, 0.1, 0.9, 0.01, 64, seed=3, milestones=milestones)
    got = fit(train.x, train.y, 7, descent)
    generator = torch.Generator().manual_seed(3)
    orders = [torch.randperm(len(train.x), generator=generator).numpy() for _ in range(6)]
    torch.manual_seed(3)
    start = nn.Linear(train.x.shape[1], 7)
    weight, bias = slow_sgd(
        train.x.double().numpy(), train.y.numpy(), start.weight.detach().double().numpy(),
        start.bias.detach().double().numpy(), orders, descent,
    )  # fmt: skip
    np.testing.assert_allclose(got.weight.detach().numpy(), weight, atol=1e-5)
    np.testing.assert_allclose(got.bias.detach().numpy(), bias, atol=1e-5)


def test_features_may_lie_in_a_file_and_be_of_half_precision(separable, tmp_path):
    train, val = separable
    np.save(tmp_path / "x.npy", train.x.half().numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "x.npy", mmap_mode="c"))
    descent = Descent(3, 0.1, 0.9, 0.0, 64, seed=0)
    in_memory, in_file = (fit(x, train.y, 7, descent) for x in (train.x.half().float(), mapped))
    assert torch.equal(in_memory.weight, in_file.weight)
    whole, parts = (logits_of(in_file, val.x, rows) for rows in (1000, 7))
    torch.testing.assert_close(whole, parts)
    assert accuracies(whole, val.y) == {"top1": 100.0, "top5": 100.0}


def test_topk_by_hand():
    logits = torch.tensor([[0.1, 0.9, 0.5], [0.7, 0.2, 0.1]])
    assert topk_accuracy(logits, torch.tensor([2, 0]), 1) == 50
    assert topk_accuracy(logits, torch.tensor([2, 0]), 2) == 100
    assert accuracies(logits, torch.tensor([2, 0])) == {"top1": 50.0}  # of three classes no top-5
