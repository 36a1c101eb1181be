"""What a run leaves as it was: what a network computes, and the process that it ran in."""

import multiprocessing
from multiprocessing.process import BaseProcess

import pytest
import torch
from timm.layers import convert_sync_batchnorm

from distill import pretrain
from distill.backbones import Backbone
from tests.distill.methods.small import SMALL, arguments


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


def test_no_worker_outlives_the_run(method_inputs, tmp_path, monkeypatch):
    """A caller may run again: data-loading processes of the first run would be in its way."""
    killed = []
    monkeypatch.setattr(BaseProcess, "terminate", killed.append)
    workers = {"train_dataloader.num_workers": 2, "train_dataloader.persistent_workers": True}
    changes = SMALL["simclr"].options | workers
    pretrain(**arguments("simclr", method_inputs), work_dir=str(tmp_path), cfg_options=changes)
    assert not multiprocessing.active_children()
    assert not killed, "torch waits five seconds before it kills one that has not heard of the end"
