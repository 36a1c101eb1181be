"""How far maps may be from timm's: rounding in float32, and no more."""

import copy

import pytest
import torch

from distill.backbones import create_backbone
from transfer.network.compare import difference


@pytest.mark.parametrize(
    ("found", "reference", "within"),
    [
        ([1.0, 2.0], [1.0, 2.00009], True),
        ([1.0, 2.0], [1.0, 2.0002], False),
        ([0.0, 1e-5], [0.0, 0.0], True),  # small maps: as large ones of 10
        ([100.0, 0.0009], [100.0, 0.0], True),  # of the largest value
        ([100.0, 0.0011], [100.0, 0.0], False),
        ([1.0], [1.0, 2.0], False),
        ([float("nan"), 1.0], [1.0, 1.0], False),
        ([1.0, 1.0], [float("inf"), 1.0], False),
        ([float("inf"), 1.0], [float("inf"), 1.0], False),
    ],
)
def test_the_limit(found, reference, within):
    assert difference(torch.tensor(found), torch.tensor(reference)).within is within


def test_it_is_told_only_where_it_is_passed():
    assert str(difference(torch.tensor([1.0]), torch.tensor([1.0]))) == "0.0e+00"
    assert str(difference(torch.tensor([9.0]), torch.tensor([0.0]))) == "9.0e+00 (limit 1.0e-04)"


@torch.no_grad()
def test_large_maps_are_as_far_from_their_own_in_float64_and_a_wrong_epsilon_is_farther():
    """An untrained MobileNetV3 has maps of 200, which PyTorch itself rounds by more than 1e-4."""
    torch.manual_seed(0)
    net = create_backbone("mobilenetv3_large_100").eval()
    ramp = torch.linspace(-4, 4, 224)
    images = (ramp + ramp[:, None]).expand(2, 3, -1, -1)
    exact = copy.deepcopy(net).double().forward_features(images.double()).float()
    found = difference(net.forward_features(images), exact)
    assert found.within and found.worst > 1e-5 and exact.abs().max() > 100
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-3
    assert not difference(net.forward_features(images), exact).within
