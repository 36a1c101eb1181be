"""BYOL: both directions, a target that moves more and more slowly, and one move an optimiser step."""

import math

import pytest
import torch
from torch import nn

from distill import pretrain
from distill.methods.base import Progress
from distill.methods.byol import BYOL
from tests.distill.losses.test_byol import by_the_paper
from tests.distill.methods.small import SMALL, STUDENT, arguments


def method(**settings):
    torch.manual_seed(0)
    return BYOL(student=dict(arch=STUDENT), hidden=12, projection=6, **settings).double()


def views(batch=3):
    g = torch.Generator().manual_seed(0)
    return list(torch.rand(2, batch, 3, 32, 32, generator=g, dtype=torch.float64))


def test_loss_is_the_sum_of_both_directions():
    byol, (first, second) = method().eval(), views()
    with torch.no_grad():
        online = nn.Sequential(byol.student, byol.projector, byol.predictor)
        expected = by_the_paper(online(first).numpy(), byol.target(second).numpy())
        expected += by_the_paper(online(second).numpy(), byol.target(first).numpy())
    assert byol.loss(views(), None)["loss"].item() == pytest.approx(expected, abs=1e-9)


def test_gradients_reach_the_online_network_alone():
    byol = method()
    byol.loss(views(), None)["loss"].backward()
    for name, parameter in byol.named_parameters():
        assert (parameter.grad is None) == name.startswith("target."), name


@pytest.mark.parametrize(("fraction", "momentum"), [(0, 0.9), (0.5, 0.95), (1, 1), (1 / 3, 0.925)])
def test_momentum_grows_to_one_by_a_cosine(fraction, momentum):
    byol = method(momentum=0.9)
    byol.progress = Progress(step=round(300 * fraction), steps=300)
    before = byol.target.network[1][0].weight.clone()
    with torch.no_grad():
        byol.projector[0].weight.add_(1)
    byol.loss(views(), None)
    torch.testing.assert_close(byol.target.network[1][0].weight, before + 1 - momentum)


def test_with_accumulated_gradients_the_target_moves_once_an_optimiser_step(method_inputs, tmp_path):
    """A real run of ten batches, three an optimiser step and the last one alone, checked after each batch."""
    checkpoint = {"interval": 1, "by_epoch": False, "max_keep_ckpts": -1}
    pretrain(
        **arguments("byol_accumulated", method_inputs),
        work_dir=str(tmp_path),
        cfg_options={**SMALL["byol_accumulated"].options, "default_hooks.checkpoint": checkpoint},
        say=lambda line: None,
    )
    states = [torch.load(tmp_path / f"iter_{n}.pth", weights_only=True)["state_dict"] for n in range(1, 11)]
    student = [state["student.net.conv_stem.weight"] for state in states]
    target = [state["target.network.0.net.conv_stem.weight"] for state in states]
    torch.testing.assert_close(target[0], student[0])  # they begin alike
    moved = lambda weights: [n + 1 for n in range(1, 10) if not torch.equal(weights[n], weights[n - 1])]  # noqa: E731
    assert moved(student) == [3, 6, 9, 10]
    assert moved(target) == [4, 7, 10]  # at the start of the batch after
    for n in (3, 6, 9):
        momentum = 1 - (1 - 0.99) * (math.cos(math.pi * n / 10) + 1) / 2
        expected = momentum * target[n - 1] + (1 - momentum) * student[n - 1]
        torch.testing.assert_close(target[n], expected, rtol=0, atol=1e-7)
