"""The file that ``--to torchvision`` writes: a backbone of torchvision's detectors without this project."""

import pytest
import torch

from distill.backbones import create_backbone
from distill.checkpoints import save_student
from transfer.convert import convert

DETECTOR = """
import runpy, torch
from torchvision.models.detection import FasterRCNN
torch.manual_seed(0)
written = runpy.run_path(sys.argv[1])
normalise = written["normalise"]
detector = FasterRCNN(
    written["fpn_backbone"](), num_classes=3, image_mean=normalise.mean, image_std=normalise.std,
    min_size=96, max_size=128, box_batch_size_per_image=16, rpn_post_nms_top_n_train=50,
)
boxes = {"boxes": torch.tensor([[10.0, 10, 60, 60]]), "labels": torch.tensor([1])}
losses = detector.train()([torch.rand(3, 96, 128)], [boxes])
sum(losses.values()).backward()
frozen = [name for name, value in detector.backbone.named_parameters() if value.grad is None]
torch.save(dict(detector.backbone.body.state_dict()), "body.pth")
print(all(loss.isfinite() for loss in losses.values()), len(losses), frozen, normalise.mean)
"""


@pytest.mark.parametrize(
    ("arch", "stage"),
    [("resnet18", "layer2.0.conv1.weight"), ("mobilenetv3_small_100", "res3.0.0.conv_pw.weight")],
)
def test_a_faster_rcnn_trains_on_it_with_the_students_weights(arch, stage, elsewhere, tmp_path):
    net = create_backbone(arch)
    save_student(tmp_path / "last.pth", net, arch, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 64)
    done = convert(tmp_path / "last.pth", "torchvision", tmp_path)
    assert sum(line.startswith("verified") for line in done.lines) == 1

    said = elsewhere(DETECTOR, done.files[1])
    assert said == "True 4 [] (0.485, 0.456, 0.406)\n"
    body = torch.load(tmp_path / "body.pth", weights_only=True)
    assert stage in body, "torchvision's own names for its own ResNet"
    used = [value for key, value in net.state_dict().items() if not key.startswith("conv_head")]
    assert len(used) == len(body)
    for found, wanted in zip(body.values(), used, strict=True):
        trained = found.dtype == torch.int64 or wanted.dim() == 1  # batch statistics of the one step
        assert found.shape == wanted.shape and (trained or torch.equal(found, wanted))
