"""Feature maps of every kind of network: channels first, pixels in their places."""

import pytest
import torch

from distill.backbones import Backbone
from distill.errors import UserError

IMAGES = torch.rand(2, 3, 96, 64, generator=torch.Generator().manual_seed(0))
SWIN = dict(embed_dim=24, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 4))


@pytest.mark.parametrize(
    ("arch", "width", "features"),
    [
        ("resnet18", 512, 512),
        ("mobilenetv3_small_050", 288, 1024),
        ("efficientnet_b0", 1280, 1280),
        ("regnety_002", 368, 368),
        ("convnext_atto", 320, 320),
    ],
)
def test_pooled_it_gives_the_features(arch, width, features):
    backbone = Backbone(arch).eval()
    maps = backbone.feature_map(IMAGES)
    assert maps.shape == (2, width, 3, 2)
    assert (backbone.map_width, backbone.width) == (width, features)
    torch.testing.assert_close(backbone.net.forward_head(maps), backbone(IMAGES))


def test_mobilenetv3_large_has_a_layer_behind_its_map():
    backbone = Backbone("mobilenetv3_large_100")
    assert (backbone.map_width, backbone.width) == (960, 1280)
    behind = {id(p) for p in backbone.parameters_behind_map()}
    assert behind == {id(p) for p in backbone.net.conv_head.parameters()}
    assert not Backbone("resnet10t").parameters_behind_map()


def test_alexnet():
    backbone = Backbone("alexnet_compress").eval()
    maps = backbone.feature_map(torch.rand(1, 3, 224, 224))
    assert maps.shape == (1, 256, 6, 6)
    assert backbone.map_width == 256
    assert {id(p) for p in backbone.parameters_behind_map()} == {
        id(p) for p in backbone.net.feats.parameters()
    }


@pytest.mark.parametrize("arch", ["test_vit", "vit_tiny_patch16_224"])
def test_a_transformer_at_its_own_size(arch):
    backbone = Backbone(arch).eval()
    size = backbone.net.patch_embed.img_size[0]
    images = torch.rand(1, 3, size, size)
    maps = backbone.feature_map(images)
    assert maps.shape == (1, backbone.map_width, size // 16, size // 16)
    # timm's own way to the patches' places
    (expected,) = backbone.net.get_intermediate_layers(
        backbone._normalise(images), 1, reshape=True, norm=True
    )
    torch.testing.assert_close(maps, expected)


@pytest.mark.parametrize(
    ("arch", "prefix"), [("test_vit", 1), ("deit_tiny_distilled_patch16_224", 2), ("test_vit4", 1)]
)
def test_a_transformer_at_other_sizes_without_its_prefix_tokens(arch, prefix):
    backbone = Backbone(arch, dynamic_img_size=True).eval()
    assert backbone.net.num_prefix_tokens >= prefix
    maps = backbone.feature_map(IMAGES)
    assert maps.shape == (2, backbone.map_width, 6, 4)
    tokens = backbone.net.forward_features(backbone._normalise(IMAGES))[:, backbone.net.num_prefix_tokens :]
    torch.testing.assert_close(maps[:, :, 2, 3], tokens[:, 2 * 4 + 3])


def test_swin_is_turned_from_channels_last():
    backbone = Backbone("swin_tiny_patch4_window7_224", **SWIN).eval()
    images = torch.rand(1, 3, 224, 224)
    maps = backbone.feature_map(images)
    assert maps.shape == (1, 192, 7, 7)
    assert backbone.map_width == 192
    torch.testing.assert_close(maps.mean((2, 3)), backbone(images))


def test_a_network_without_a_map_is_refused():
    with pytest.raises(UserError, match="xcit_nano_12_p16_224 gives no feature map; valid: convolutional"):
        _ = Backbone("xcit_nano_12_p16_224").map_width


def test_measuring_changes_nothing():
    backbone = Backbone("resnet10t").train()
    backbone.net.bn1.eval()  # not all modules are in the same mode
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    random = torch.get_rng_state()
    assert backbone.map_width == 512
    assert not backbone.parameters_behind_map()
    assert torch.equal(torch.get_rng_state(), random)
    assert backbone.net.training
    assert not backbone.net.bn1.training
    assert all(parameter.grad is None for parameter in backbone.parameters())
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize(
    ("arch", "width", "grid"),
    [
        ("resnet18", 256, (6, 4)),
        ("mobilenetv3_small_050", 24, (6, 4)),
        ("efficientnet_b0", 112, (6, 4)),
        ("convnext_atto", 160, (6, 4)),
        ("test_vit", 64, (10, 10)),
    ],
)
def test_the_map_from_within_is_the_last_of_stride_16(arch, width, grid):
    backbone = Backbone(arch).eval()
    images = IMAGES if grid == (6, 4) else torch.rand(2, 3, 160, 160)
    features, inner = backbone.features_and_inner_map(images)
    assert inner.shape == (2, width, *grid) and backbone.inner_map_width == width
    assert torch.equal(features, backbone(images))


def test_the_map_from_within_a_resnet_is_the_output_of_its_third_stage():
    backbone = Backbone("resnet18").eval()
    found = []
    backbone.net.layer3.register_forward_hook(lambda *given: found.append(given[-1]))
    _, inner = backbone.features_and_inner_map(IMAGES)
    assert torch.equal(inner, found[-1])


def test_a_network_without_a_map_from_within_is_refused():
    with pytest.raises(UserError, match="alexnet_compress gives no map from within"):
        Backbone("alexnet_compress").inner_map_width  # noqa: B018
