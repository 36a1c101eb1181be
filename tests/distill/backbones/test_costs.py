import pytest
import torch
from torch import nn

from distill.backbones import create_backbone
from distill.backbones.costs import costs
from distill.errors import UserError

# Classes, then parameters in millions and multiply-adds in 10^9 at 224 px: CompRess's Table A1, and timm's
# for the transformer. The paper's are up to 10 % higher; it does not say what its counter takes in.
PUBLISHED = {
    "resnet18": (1000, 11.69, 1.82),
    "resnet50": (1000, 25.56, 4.14),
    "mobilenetv2_100": (1000, 3.50, 0.33),
    "alexnet_compress": (1000, 61.0, 0.77),
    "resnet50x4": (0, 375.38, 64.06),
    "vit_tiny_patch16_224": (1000, 5.72, 1.26),
}


@pytest.mark.parametrize("arch", PUBLISHED)
def test_costs_are_the_published_ones(arch):
    classes, params, gmacs = PUBLISHED[arch]
    found = costs(arch, 224, classes)
    assert found.params / 1e6 == pytest.approx(params, rel=0.002)
    assert 0.9 * gmacs < found.gmacs <= gmacs


def test_multiply_adds_of_a_network_by_hand():
    """Summed over its convolutions: outputs x inputs x kernel, at every position."""
    network = create_backbone("test_resnet").eval()
    counted = []

    def count(layer: nn.Conv2d, _, output):
        counted.append(layer.weight.numel() * output.shape[2] * output.shape[3])

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
    found = costs("test_resnet", 64)
    assert found.gmacs == pytest.approx(sum(counted) / 1e9)
    assert found.params == sum(parameter.numel() for parameter in network.parameters())


def test_an_image_size_that_it_does_not_take_is_one_line():
    with pytest.raises(UserError, match="vit_tiny_patch16_224 fails on images of 100 px") as error:
        costs("vit_tiny_patch16_224", 100)
    assert "\n" not in str(error.value)
