"""SwAV's prototypes, SimCLR's ResNet-50x4, DINO's ViTs by name, image sizes, and the tools with them."""

import pytest
import timm
import torch
from torch import nn

from distill.backbones import Backbone, check_image_size, create_backbone, default_mean_std
from distill.backbones.weights import IMAGENET_MEAN, IMAGENET_STD
from distill.checkpoints import read_weights
from distill.checkpoints.formats import recognise
from distill.errors import UserError
from distill.modules.heads import mlp
from tests.distill.published import dino, moco_v3, prefixed

SWAV_HEAD = mlp(512, 64, 16, norm=True)


@pytest.mark.parametrize("several", [False, True])
def test_swavs_prototypes_are_kept_and_several_sets_named(several):
    state = prefixed(create_backbone("resnet18")) | prefixed(SWAV_HEAD, "module.projection_head.")
    prototypes = torch.randn(30, 16)
    if several:
        state |= {f"module.prototypes.prototypes{n}.weight": prototypes for n in (0, 1)}
    else:
        state["module.prototypes.weight"] = prototypes
    weights = recognise(state, None, "swav.pth.tar", "")
    assert weights.source == "swav" and weights.head.keys() == SWAV_HEAD.state_dict().keys()
    if several:
        assert weights.prototypes is None
        assert weights.dropped == ("prototypes.prototypes0", "prototypes.prototypes1")
    else:
        assert torch.equal(weights.prototypes, prototypes) and weights.dropped == ()


def loaded(content):
    """The weights of a file's content, after a strict load into their network."""
    weights = recognise(content, None, "teacher.pth", "")
    Backbone.from_weights(weights)
    return weights


def flat_simclr() -> tuple[dict, dict]:
    """ResNet-50x4 under TensorFlow's names, and torchvision's name of each, by the network's order."""
    net = create_backbone("resnet50x4")
    order = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            order.append(name)
    # named_modules puts a block's shortcut behind its layers, TensorFlow before them
    for place in [place for place, name in enumerate(order) if "downsample" in name]:
        order.insert(place - 3, order.pop(place))
    state, old = net.state_dict(), {}
    for number, conv in enumerate(order):
        tail = f"_{number}" if number else ""
        norm = conv.replace("downsample.0", "downsample.1").replace("conv", "bn")
        old[f"conv2d{tail}"], old[f"batch_normalization{tail}"] = conv, norm
    flat = {}
    for layer, name in old.items():
        own = {k.rpartition(".")[2]: v for k, v in state.items() if k.rpartition(".")[0] == name}
        flat |= {f"{layer}.{leaf}": value for leaf, value in own.items()}
    return flat | {"fc.weight": torch.zeros(1000, 8192), "fc.bias": torch.zeros(1000)}, old


@pytest.mark.parametrize("harm", [None, "missing", "unexpected", "shape"])
def test_simclrs_resnet50x4_in_tensorflows_names(harm):
    with torch.device("meta"):
        state, old = flat_simclr()
        # known places in the network: stem, first block of the first and second stage, last layer
        assert old["conv2d_1"] == "layer1.0.downsample.0" and old["batch_normalization_4"] == "layer1.0.bn3"
        assert old["conv2d_13"] == "layer2.0.conv2" and state["conv2d_13.weight"].shape == (512, 512, 3, 3)
        assert old["conv2d_52"] == "layer4.2.conv3" and len(old) == 106
        key = "batch_normalization_30.bias"
        if harm == "missing":
            del state[key]
        elif harm == "unexpected":
            state["conv2d_53.weight"] = state[key]
        elif harm == "shape":
            state[key] = torch.zeros(3)
        if harm is None:
            weights = loaded({"state_dict": state})
            for layer, name in old.items():
                assert weights.backbone[f"{name}.weight"] is state[f"{layer}.weight"]
        else:
            named = "conv2d_53.weight" if harm == "unexpected" else "layer3.1.bn3.bias"
            with pytest.raises(UserError, match=named):
                loaded({"state_dict": state})
            return
    assert (weights.source, weights.arch, weights.dropped) == ("simclr", "resnet50x4", ("fc",))
    assert (weights.mean, weights.std) == ((0.0,) * 3, (1.0,) * 3)


def test_simclrs_resnet50x4_in_torchvisions_names():
    with torch.device("meta"):
        state = create_backbone("resnet50x4").state_dict()
        weights = loaded({"state_dict": {**state, "fc.weight": torch.zeros(1000, 8192)}})
    assert (weights.arch, weights.mean, weights.std) == ("resnet50x4", (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("arch", "extra"),
    [
        ("vit_small_patch16_224.dino", ()),
        ("vit_base_patch8_224.dino", ()),
        ("vit_small_patch14_dinov2.lvd142m", ("mask_token",)),  # in the official files
        ("vit_small_patch16_dinov3.lvd1689m", ()),
    ],
)
def test_dinos_vits_by_their_timm_names(arch, extra):
    """The name gives mean and standard deviation; a file of bare keys loads if it is named."""
    assert timm.is_model_pretrained(arch)
    assert default_mean_std(arch) == (IMAGENET_MEAN, IMAGENET_STD)
    with torch.device("meta"):
        state = timm.create_model(arch, num_classes=0).state_dict()
        content = state | {key: torch.zeros(1, 384) for key in extra}
        weights = recognise(content, arch, "pretrain.pth", "")
        backbone = Backbone.from_weights(weights)
        assert backbone(torch.zeros(1, 3, 224, 224)).shape == (1, backbone.width)
        with pytest.raises(UserError, match="1 missing \\(norm.bias\\)"):
            del content["norm.bias"]
            Backbone.from_weights(recognise(content, arch, "pretrain.pth", ""))
    assert (weights.source, weights.dropped) == ("timm", extra)
    assert (weights.mean, weights.std) == (IMAGENET_MEAN, IMAGENET_STD)


def test_image_sizes_a_transformer_cannot_take():
    with torch.device("meta"):
        swin = Backbone("swin_tiny_patch4_window7_224")
        check_image_size(Backbone("resnet18"), 33, 47)
    check_image_size(swin, 224, 224)
    with pytest.raises(UserError, match="takes images of 224 x 224 pixels only, not 96 x 224"):
        check_image_size(swin, 96, 224)


@pytest.mark.parametrize("arch", ["levit_128s", "efficientformerv2_s0"])
def test_hybrids_that_timm_makes_for_one_size(arch):
    """Convolutions, then attention over a grid of fixed size: nothing but an attempt says so."""
    network = Backbone(arch)
    assert network.measured_at == 224 and network.width > 0 and network.inner_map_width > 0
    before = {key: value.clone() for key, value in network.state_dict().items()}
    check_image_size(network, 224, 224)
    with pytest.raises(UserError, match=f"{arch} does not take images of 64 x 96 pixels; it is made for 224"):
        check_image_size(network, 64, 96)
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_hybrids_that_take_other_sizes_as_well():
    check_image_size(Backbone("swiftformer_xs"), 64, 96)


@pytest.mark.parametrize("side", [96, (96, 96)])
def test_a_hybrid_made_for_another_size(side):
    network = Backbone("coatnet_pico_rw_224", img_size=side)
    assert network.measured_at == 96 and network.width == 512


def test_a_student_of_one_size_is_told_before_training(image_folder, teacher_file, run_here, tmp_path):
    given = ("--data", image_folder, "--teacher", teacher_file, "--student", "levit_128s", "--workers", 0)
    said = run_here("distill.py", *given, "--image-size", 64, "--work-dir", tmp_path / "run", code=2)
    assert said.startswith("error: levit_128s does not take images of 64 x 64 pixels; it is made for 224 ")
    assert not list((tmp_path / "run").glob("*.pth"))


def test_the_tools_take_them(image_folder, tmp_path, run_here):
    content, _ = moco_v3("resnet18", hidden=32, outer=16)
    torch.save(content, tmp_path / "moco_v3.pth.tar")
    options = ("--data", image_folder, "--image-size", 32, "--batch-size", 8, "--workers", 0)
    said = run_here(
        "cache_teacher.py", "--teacher", tmp_path / "moco_v3.pth.tar", "--output", "auto",
        "--out", tmp_path / "cache", *options,
    )  # fmt: skip
    assert "not used from the file: base_encoder, predictor" in said
    assert "output of the head, width 16" in said
    (tmp_path / "moco_v3.pth.tar").unlink()

    content, _ = dino("vit_tiny_patch16_224", hidden=8, outer=4)
    torch.save(content, tmp_path / "dino.pth")
    refused = run_here(
        "cache_teacher.py", "--teacher", tmp_path / "dino.pth", "--out", tmp_path / "other",
        *options[:2], "--image-size", 40, code=2,
    )  # fmt: skip
    assert not (tmp_path / "other").exists()
    assert refused.strip().splitlines() == [
        "error: vit_tiny_patch16_224 takes image sizes that are multiples of its patch, 16, not 40 x 40; "
        "nearest: 32 or 48"
    ]
    assert read_weights(tmp_path / "dino.pth").arch == "vit_tiny_patch16_224"
    (tmp_path / "dino.pth").unlink()
