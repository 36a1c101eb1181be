"""Batch norm over several GPUs must not change what a network computes."""

import pytest
import torch
from timm.layers import convert_sync_batchnorm

from distill.backbones import Backbone


@pytest.mark.parametrize("arch", ["resnet10t", "mobilenetv3_small_050", "regnety_002"])
def test_synchronised_batch_norm_keeps_activations_and_keys(arch):
    """mmengine's own conversion silently loses the activations inside timm's norm layers."""
    torch.manual_seed(0)
    backbone, images = Backbone(arch).eval(), torch.rand(2, 3, 48, 48)
    keys, expected = list(backbone.state_dict()), backbone(images)
    converted = convert_sync_batchnorm(backbone)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in converted.modules())
    assert list(converted.state_dict()) == keys
    torch.testing.assert_close(converted(images), expected, rtol=0, atol=0)
