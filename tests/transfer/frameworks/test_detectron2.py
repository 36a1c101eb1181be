"""The backbone inside Detectron2's detectors: C4 with its own res5 as box head, and FPN."""

import pytest
import torch

pytest.importorskip("detectron2", reason="Detectron2 is not installed: its adapter cannot be tested")

from detectron2 import model_zoo  # noqa: E402
from detectron2.config import get_cfg  # noqa: E402
from detectron2.modeling import build_model  # noqa: E402
from detectron2.structures import Boxes, Instances  # noqa: E402
from detectron2.utils.events import EventStorage  # noqa: E402

from distill.backbones import create_backbone  # noqa: E402
from distill.checkpoints import save_student  # noqa: E402
from distill.errors import UserError  # noqa: E402
from transfer.frameworks.detectron2.adapter import add_distilled_config, own_res5  # noqa: E402


@pytest.fixture
def student(tmp_path):
    """Writes a student checkpoint; returns (its path, its state)."""

    def write(arch: str):
        net = create_backbone(arch)
        save_student(tmp_path / f"{arch}.pth", net, arch, (0.5,) * 3, (0.2,) * 3, 64)
        return str(tmp_path / f"{arch}.pth"), net.state_dict()

    return write


def config(kind: str, arch: str, weights: str = "", freeze_at: int = 0):
    cfg = get_cfg()
    add_distilled_config(cfg)
    cfg.merge_from_file(model_zoo.get_config_file(f"Base-RCNN-{kind}.yaml"))
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.BACKBONE.FREEZE_AT = freeze_at
    cfg.MODEL.DISTILLED.ARCH, cfg.MODEL.DISTILLED.WEIGHTS = arch, weights
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 3
    cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 16  # quick
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 50
    if kind == "C4":
        cfg.MODEL.BACKBONE.NAME = "build_distilled_backbone"
        cfg.MODEL.ROI_HEADS.NAME = "DistilledRes5ROIHeads"
    else:
        cfg.MODEL.BACKBONE.NAME = "build_distilled_fpn_backbone"
    return cfg


def train_step(model) -> None:
    boxes = Boxes(torch.tensor([[10.0, 10, 60, 60]]))
    instances = Instances((96, 128), gt_boxes=boxes, gt_classes=torch.tensor([1]))
    image = torch.randint(0, 256, (3, 96, 128), dtype=torch.uint8)
    with EventStorage():
        losses = model.train()([{"image": image, "instances": instances}] * 2)
    assert all(torch.isfinite(loss) for loss in losses.values())
    sum(losses.values()).backward()


@pytest.mark.parametrize("arch", ["resnet18", "mobilenetv3_small_100"])
def test_c4_has_the_checkpoints_res5_as_box_head(arch, student):
    """Backbone and box head together have every stage once; all stages train; a norm follows res5."""
    path, state = student(arch)
    model = build_model(config("C4", arch, path))
    res5, norm = model.roi_heads.res5
    assert isinstance(norm, torch.nn.SyncBatchNorm)
    parts = model.backbone.state_dict() | res5.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in parts.items())
    assert not model.backbone.state_dict().keys() & res5.state_dict().keys()
    assert model.backbone.output_shape()["res4"].stride == 16

    train_step(model)
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == [], "nothing is frozen, and nothing is left out of the loss"
    with torch.no_grad():
        found = model.eval()([{"image": torch.zeros(3, 96, 128, dtype=torch.uint8)}])
        assert len(found[0]["instances"]) <= 100
        none = torch.zeros(0, model.backbone.channels["res4"], 14, 14)
        assert len(model.roi_heads.res5(none)) == 0, "an image without proposals"


def test_fpn_over_four_stages(student):
    path, state = student("resnet18")
    model = build_model(config("FPN", "resnet18", path, freeze_at=2))
    shapes = {name: spec.channels for name, spec in model.backbone.bottom_up.output_shape().items()}
    assert shapes == {"res2": 64, "res3": 128, "res4": 256, "res5": 512}
    assert model.backbone.size_divisibility == 32
    train_step(model)
    trained = {name for name, p in model.backbone.bottom_up.named_parameters() if p.grad is not None}
    assert trained == {name for name in trained if name.startswith(("layer2", "layer3", "layer4"))}
    assert torch.equal(model.backbone.bottom_up.bn1.running_mean, state["bn1.running_mean"])


def test_freezing_reaches_the_box_head(student):
    path, _ = student("resnet18")
    model = build_model(config("C4", "resnet18", path, freeze_at=5))
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
    assert not any(parameter.requires_grad for parameter in model.roi_heads.res5[0].parameters())


def test_a_checkpoint_that_does_not_match_fails_at_building(student, tmp_path):
    """Detectron2 would warn and train from random weights."""
    path, state = student("resnet18")
    with pytest.raises(UserError, match="holds a resnet18, not a resnet34"):
        build_model(config("C4", "resnet34", path))
    torch.save({f"module.{key}": value for key, value in list(state.items())[:-4]}, tmp_path / "torn.pth")
    with pytest.raises(UserError, match="missing"):
        build_model(config("FPN", "resnet18", str(tmp_path / "torn.pth")))


def test_an_fpn_needs_maps_that_double():
    with pytest.raises(UserError, match="alexnet_compress: an FPN cannot add its maps .res2 of"):
        build_model(config("FPN", "alexnet_compress"))


def test_the_width_that_a_config_gives_res5_must_be_the_networks():
    with pytest.raises(UserError, match="roi_heads.res5.out_channels is 2048, but res5 of resnet18 has 512"):
        own_res5("resnet18", out_channels=2048)
