import numpy as np
import pytest
import torch

from distill.errors import UserError
from distill.evaluation import Linear
from distill.evaluation.linear import standardise


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


def test_bad_settings_are_refused():
    with pytest.raises(UserError, match="linear.epochs"):
        Linear(epochs=0)
