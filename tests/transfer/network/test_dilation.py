"""Finer maps by dilation equal timm's own with the same weights and keys."""

import pytest
import timm
import torch

from distill.errors import UserError
from transfer.network.dilation import set_output_stride
from transfer.network.partition import StagedBackbone

ARCHS = ("resnet18", "resnet10t", "mobilenetv2_100", "efficientnet_b0", "regnetx_002")


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("output_stride", [8, 16])
def test_equals_timms_output_stride(arch, output_stride):
    torch.manual_seed(0)
    backbone = StagedBackbone(arch).eval()
    keys = list(backbone.state_dict())
    set_output_stride(backbone, output_stride)
    reference = timm.create_model(arch, num_classes=0, output_stride=output_stride).eval()
    reference.load_state_dict(backbone.state_dict(), strict=False)
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        found = backbone(images)
        wanted = reference.forward_intermediates(images, intermediates_only=True)[-4:]
    assert list(backbone.state_dict()) == keys
    for ours, theirs in zip(found.values(), wanted, strict=True):
        assert torch.equal(ours, theirs)
    assert found["res5"].shape[-1] == 96 // output_stride
    assert backbone.strides["res5"] == output_stride


def test_mobilenet_v3_which_timm_cannot_dilate():
    backbone = StagedBackbone("mobilenetv3_small_050")
    set_output_stride(backbone, 8)
    assert backbone.eval()(torch.zeros(1, 3, 64, 64))["res5"].shape[-2:] == (8, 8)


def test_32_changes_nothing():
    backbone = StagedBackbone("resnet18").eval()
    images = torch.randn(1, 3, 64, 64)
    before = backbone(images)["res5"]
    set_output_stride(backbone, 32)
    assert torch.equal(backbone(images)["res5"], before)


def test_what_cannot_be_dilated_says_so():
    with pytest.raises(UserError, match="convnext_atto: res4 cannot be brought to stride 8"):
        set_output_stride(StagedBackbone("convnext_atto"), 8)
    with pytest.raises(UserError, match="tresnet_m: it cannot be brought to stride 8"):
        set_output_stride(StagedBackbone("tresnet_m"), 8)  # its blur pools keep their stride
    with pytest.raises(UserError, match="choose 8, 16 or 32"):
        set_output_stride(StagedBackbone("resnet18"), 4)
