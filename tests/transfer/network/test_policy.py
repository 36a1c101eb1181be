"""Freezing and norms hold through train(), and pixels come in the framework's units."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from distill.errors import UserError
from transfer.network.partition import StagedBackbone
from transfer.network.policy import Policy, batch_norms, first_stages


def step(backbone: StagedBackbone) -> None:
    """One training step, which changes every weight and statistic that is not fixed."""
    backbone.train()
    loss = sum(x.square().mean() for x in backbone(torch.rand(4, 3, 64, 64)).values())
    loss.backward()
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad


def moved(backbone: StagedBackbone, before: dict[str, torch.Tensor]) -> set[str]:
    return {key for key, value in backbone.state_dict().items() if not torch.equal(value, before[key])}


def copy(backbone: StagedBackbone) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in backbone.state_dict().items()}


@pytest.mark.parametrize("arch", ["resnet18", "mobilenetv3_small_100"])
def test_frozen_stages_do_not_move(arch):
    backbone = StagedBackbone(arch)
    Policy(frozen=("stem", "res2")).apply(backbone)
    before = copy(backbone)
    step(backbone)
    frozen = tuple(f"{path}." for stage in ("stem", "res2") for path in backbone.plan[stage])
    assert not {key for key in moved(backbone, before) if key.startswith(frozen)}
    with_gradient = {key for key, parameter in backbone.named_parameters() if parameter.grad is not None}
    assert with_gradient == {key for key, _ in backbone.named_parameters() if not key.startswith(frozen)}


def test_norm_eval_keeps_statistics_and_trains_weights():
    backbone = StagedBackbone("resnet18")
    Policy(norm_eval=True).apply(backbone)
    before = copy(backbone)
    step(backbone)
    assert not {key for key in moved(backbone, before) if "running" in key or "num_batches" in key}
    assert "bn1.weight" in moved(backbone, before)


def test_frozen_batch_norm_keeps_both():
    backbone = StagedBackbone("resnet18")
    Policy(norm="FrozenBN").apply(backbone)
    before = copy(backbone)
    step(backbone)
    assert all("conv" in key or "downsample.0" in key for key in moved(backbone, before))
    assert "conv1.weight" in moved(backbone, before)


@pytest.mark.parametrize("arch", ["resnet18", "mobilenetv3_large_100", "densenet121"])
def test_sync_batch_norm_keeps_keys_and_maps(arch):
    """timm's batch norms with an activation inside are converted as well."""
    backbone = StagedBackbone(arch).eval()
    keys, images = list(backbone.state_dict()), torch.rand(1, 3, 64, 64)
    before = backbone(images)["res5"]
    Policy(norm="SyncBN").apply(backbone)
    assert all(isinstance(norm, torch.nn.SyncBatchNorm) for norm in batch_norms(backbone))
    assert sum(isinstance(module, _BatchNorm) for module in backbone.modules()) > 10
    assert list(backbone.state_dict()) == keys
    assert torch.equal(backbone(images)["res5"], before)


def test_a_stage_alone_keeps_its_policy():
    backbone = StagedBackbone("resnet18")
    Policy(frozen=("stem", "res2", "res3", "res4", "res5")).apply(backbone)
    res5 = backbone.stage("res5").train()
    assert not any(module.training for module in res5.layer4.modules())
    assert not any(parameter.requires_grad for parameter in res5.parameters())


def test_pixels_are_in_0_to_255_and_in_the_frameworks_order():
    policy = Policy(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert policy.pixel_mean() == [123.675, 116.28, 103.53]
    assert policy.pixel_std() == [58.395, 57.12, 57.375]
    assert Policy(order="BGR").pixel_mean() == [103.53, 116.28, 123.675]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"norm": "GN"}, "unknown norm 'GN'.*valid: BN, FrozenBN, SyncBN"),
        ({"frozen": ("layer1",)}, "unknown stage to freeze 'layer1'"),
        ({"order": "rgb"}, "unknown channel order 'rgb'.*valid: BGR, RGB"),
    ],
)
def test_wrong_settings_name_the_valid_ones(settings, named):
    with pytest.raises(UserError, match=named):
        Policy(**settings)


def test_stages_are_counted_from_the_stem():
    assert first_stages(0) == ()
    assert first_stages(2) == ("stem", "res2")
    with pytest.raises(UserError, match="cannot freeze 6 stages"):
        first_stages(6)
    with pytest.raises(UserError, match="cannot freeze res5: the backbone has stem, res2, res3, res4"):
        Policy(frozen=first_stages(5)).apply(StagedBackbone("resnet18", ("res4",)))
