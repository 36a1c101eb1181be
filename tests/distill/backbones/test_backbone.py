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


@pytest.mark.parametrize("arch", ["resnet10t", "regnety_002"])
def test_last_norms_start_at_1_where_asked_and_all_else_starts_the_same(arch):
    started = {}
    for zero in (True, False):
        torch.manual_seed(0)
        started[zero] = Backbone(arch, zero_init_last=zero).state_dict()
    differing = {key for key in started[True] if not torch.equal(started[True][key], started[False][key])}
    assert differing, "timm starts some at 0"
    assert all((started[False][key] == 1).all() and not started[True][key].any() for key in differing)


@pytest.mark.parametrize("arch", ["mobilenetv3_small_050", "alexnet_compress", "test_vit"])
def test_a_network_without_such_norms_takes_the_setting_too(arch):
    torch.manual_seed(0)
    plain = Backbone(arch).state_dict()
    torch.manual_seed(0)
    asked = Backbone(arch, zero_init_last=False).state_dict()
    assert all(torch.equal(plain[key], asked[key]) for key in plain)


def test_integer_pixels_are_the_same_images_as_floats_from_0_to_1():
    torch.manual_seed(0)
    backbone = Backbone("resnet10t").eval()
    pixels = torch.randint(256, (2, 3, 48, 48), dtype=torch.uint8)
    assert torch.equal(backbone(pixels), backbone(pixels.float() / 255))
    assert torch.equal(backbone.feature_map(pixels), backbone.feature_map(pixels.float() / 255))
