"""One backbone class in MMDetection's and MMSegmentation's registries."""

import importlib

import pytest
import torch

from distill.backbones import create_backbone
from distill.checkpoints import save_student
from distill.errors import UserError

FRAMEWORKS = {"mmdet": "MMDetection", "mmseg": "MMSegmentation"}


@pytest.fixture(params=FRAMEWORKS)
def build(request):
    """Builds a backbone through a framework's registry, as its configs do."""
    framework = FRAMEWORKS[request.param]
    pytest.importorskip(request.param, reason=f"{framework} is not installed: its adapter cannot be tested")
    importlib.import_module(f"transfer.frameworks.{request.param}.adapter")
    models = importlib.import_module(f"{request.param}.registry").MODELS
    return lambda **settings: models.build({"type": "DistilledBackbone", **settings})


@torch.no_grad()
def test_maps_and_weights_come_from_the_checkpoint(build, tmp_path, capsys):
    arch, path = "mobilenetv3_small_100", tmp_path / "s.pth"
    net = create_backbone(arch).eval()
    save_student(path, net, arch, (0.5,) * 3, (0.2,) * 3, 64)
    backbone = build(arch=arch, weights=str(path), out_stages=("res3", "res5"))
    assert "stem..res5 <- " in capsys.readouterr().out, "the load report is printed"
    images = torch.rand(1, 3, 64, 64)
    maps = backbone.eval()(images)
    wanted = net.forward_intermediates(images, indices=[2, 4], intermediates_only=True)
    assert isinstance(maps, tuple)
    assert all(torch.equal(found, reference) for found, reference in zip(maps, wanted, strict=True))
    assert [backbone.channels[stage] for stage in backbone.out_stages] == [24, 576]


def test_freezing_counts_as_in_their_own_resnet(build):
    """frozen_stages: -1 nothing, 0 the stem, 1 also the first stage."""
    for count, frozen in [(-1, set()), (0, {"conv1", "bn1"}), (1, {"conv1", "bn1", "layer1"})]:
        backbone = build(arch="resnet18", frozen_stages=count, norm_eval=count == 0).train()
        still = {name.split(".")[0] for name, p in backbone.named_parameters() if not p.requires_grad}
        assert still == frozen
        assert backbone.layer4[0].bn1.training == (count != 0)
        assert backbone.bn1.training == (count == -1)


def test_weights_that_are_not_there_or_not_its_own_fail(build, tmp_path):
    """OpenMMLab's loader would warn and train from random weights."""
    with pytest.raises(UserError, match="no such checkpoint file"):
        build(arch="resnet18", weights=str(tmp_path / "none.pth"))
    save_student(tmp_path / "s.pth", create_backbone("resnet18"), "resnet18", (0.5,) * 3, (0.2,) * 3, 64)
    with pytest.raises(UserError, match="holds a resnet18, not a resnet34"):
        build(arch="resnet34", weights=str(tmp_path / "s.pth"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"arch": "resnet81"}, "unknown model 'resnet81'"),
        ({"arch": "resnet18", "norm": "GN"}, "unknown norm 'GN'"),
        ({"arch": "resnet18", "frozen_stages": 7}, "cannot freeze 8 stages"),
        ({"arch": "resnet18", "out_stages": ("layer4",)}, "unknown stage 'layer4'"),
    ],
)
def test_wrong_settings_are_named(build, settings, said):
    with pytest.raises(UserError, match=said):
        build(**settings)
