"""What a backbone does besides its network's arithmetic."""

import pytest
import torch

from distill.backbones import Backbone


@pytest.mark.parametrize("arch", ["mobilenetv3_small_050", "resnet10t"])
def test_channels_last_changes_the_layout_in_memory_and_nothing_else(arch):
    torch.manual_seed(0)
    plain, last = Backbone(arch).eval(), Backbone(arch, channels_last=True).eval()
    last.load_state_dict(plain.state_dict(), strict=True)
    spatial = [p for p in last.net.parameters() if p.ndim == 4 and p.shape[1] > 1 and p.shape[2] > 1]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in spatial), "survives loading"
    images = torch.rand(2, 3, 48, 48)
    torch.testing.assert_close(last(images), plain(images), rtol=1e-4, atol=1e-5)


def test_integer_pixels_are_the_same_images_as_floats_from_0_to_1():
    torch.manual_seed(0)
    backbone = Backbone("resnet10t").eval()
    pixels = torch.randint(256, (2, 3, 48, 48), dtype=torch.uint8)
    assert torch.equal(backbone(pixels), backbone(pixels.float() / 255))
    assert torch.equal(backbone.feature_map(pixels), backbone.feature_map(pixels.float() / 255))
