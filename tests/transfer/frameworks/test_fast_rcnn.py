"""The box head of a Fast R-CNN: the rest of the checkpoint's own network."""

import pytest
import torch

pytest.importorskip("detectron2", reason="Detectron2 is not installed: its adapter cannot be tested")

from distill.backbones import create_backbone  # noqa: E402
from distill.checkpoints import save_student  # noqa: E402
from distill.errors import UserError  # noqa: E402
from transfer.frameworks.detectron2.adapter import DistilledBackbone  # noqa: E402
from transfer.frameworks.detectron2.fast_rcnn import OwnBoxHead  # noqa: E402


@torch.no_grad()
def test_alexnets_backbone_and_box_head_are_the_whole_network(tmp_path):
    """With the last pooling between them, which in a detector pools the regions, they give its features."""
    net = create_backbone("alexnet_compress").eval()
    path = str(tmp_path / "alexnet.pth")
    save_student(path, net, "alexnet_compress", (0.5,) * 3, (0.2,) * 3, 224)
    backbone = DistilledBackbone("alexnet_compress", path, ["res4"]).eval()
    head = OwnBoxHead("alexnet_compress", 4096, path).eval()
    images = torch.rand(1, 3, 224, 224)
    pooled = torch.nn.functional.max_pool2d(backbone(images)["res4"], kernel_size=3, stride=2)
    assert pooled.shape == (1, 256, 6, 6)
    assert torch.equal(head(pooled), net(images))


@torch.no_grad()
def test_other_networks_have_their_res5_and_the_mean_of_its_map(tmp_path):
    net = create_backbone("mobilenetv3_small_100").eval()
    path = str(tmp_path / "mobile.pth")
    save_student(path, net, "mobilenetv3_small_100", (0.5,) * 3, (0.2,) * 3, 64)
    head = OwnBoxHead("mobilenetv3_small_100", 576, path, norm="").eval()
    res4, res5 = net.forward_intermediates(torch.rand(1, 3, 64, 64), indices=[3, 4], intermediates_only=True)
    assert torch.allclose(head(res4), res5.mean(dim=(2, 3)))


def test_mistakes_are_named(tmp_path):
    with pytest.raises(
        UserError, match="box_head.out_channels is 512, but that of alexnet_compress gives 4096"
    ):
        OwnBoxHead("alexnet_compress", 512)
    net = create_backbone("alexnet_compress")
    state = {key: value for key, value in net.state_dict().items() if key != "feats.0.weight"}
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "torn.pth")
    with pytest.raises(UserError, match="feats.0.weight"):
        OwnBoxHead("alexnet_compress", 4096, str(tmp_path / "torn.pth"))
