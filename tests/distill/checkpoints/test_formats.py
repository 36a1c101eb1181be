"""Self-supervised checkpoints: each is recognised and loaded whole, and no parts are mixed up.

Tests of keys and shapes use official sizes on the meta device (no memory, no time); tests that compare
outputs use small networks.
"""

import argparse

import pytest
import torch
import torchvision
from torch import nn

from distill.backbones import Backbone
from distill.backbones.weights import IMAGENET_MEAN, IMAGENET_STD, load_strict
from distill.checkpoints import read_file
from distill.checkpoints.formats import recognise
from distill.errors import UserError
from distill.modules.heads import head_from_state, head_width
from distill.targets import Teacher
from tests.distill.published import (
    barlow_twins,
    byol_lightly,
    byol_openselfsup,
    byol_revisit_airl,
    dino,
    moco_v3,
)

# builder, official architecture -> its timm name, source, widths of the head, parts named as not used
OFFICIAL = [
    (moco_v3, "resnet50", "moco-v3", 256, ("base_encoder", "predictor")),
    (moco_v3, "vit_base_patch16_224", "moco-v3", 256, ("base_encoder", "predictor")),
    (byol_revisit_airl, "resnet50", "byol", 256, ("classifier", "online_encoder")),
    (byol_openselfsup, "resnet50", "byol", 256, ("backbone", "head.predictor", "online_net")),
    (
        byol_lightly, "resnet50", "byol", 256,
        ("backbone", "online_classifier", "prediction_head", "projection_head"),
    ),
    (barlow_twins, "resnet50", "barlow-twins", 8192, ("bn",)),
    (dino, "resnet50", "dino", None, ("head",)),
    (dino, "vit_small_patch16_224", "dino", None, ("head",)),
    (dino, "vit_base_patch8_224", "dino", None, ("head",)),
]  # fmt: skip
IDS = [f"{builder.__name__}-{arch}" for builder, arch, *_ in OFFICIAL]


def load(content):
    """Loads a file's content as a ``Teacher`` does; returns the head or None."""
    weights = recognise(content, None, "teacher.pth", "")
    Backbone.from_weights(weights)
    if weights.head is None:
        return weights, None
    head = head_from_state(weights.head)
    load_strict(head, weights.head, "projection head")
    return weights, head


@pytest.mark.parametrize(("builder", "arch", "source", "width", "dropped"), OFFICIAL, ids=IDS)
def test_official_keys_and_shapes_load_whole(builder, arch, source, width, dropped):
    with torch.device("meta"):
        content, _ = builder(arch)
        weights, head = load(content)
    assert (weights.source, weights.arch, weights.dropped) == (source, arch, dropped)
    assert (weights.mean, weights.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert (head and head_width(head)) == width


@pytest.mark.parametrize(
    ("builder", "arch"),
    [
        (moco_v3, "resnet18"),
        (moco_v3, "vit_tiny_patch16_224"),
        (byol_revisit_airl, "resnet18"),
        (byol_openselfsup, "resnet18"),
        (byol_lightly, "resnet18"),
        (barlow_twins, "resnet18"),
        (dino, "resnet18"),
        (dino, "vit_tiny_patch16_224"),
    ],
)
def test_embeddings_are_those_of_the_original_network(builder, arch, tmp_path):
    torch.manual_seed(0)
    content, network = builder(arch, hidden=48, outer=24)
    for module in network.modules():  # statistics as after training
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    path = tmp_path / "teacher.pth"
    torch.save(content, path)
    teacher = Teacher(str(path), output="auto")
    path.unlink()
    size = 224 if arch.startswith("vit") else 64
    images = torch.rand(2, 3, size, size)
    mean, std = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)
    with torch.no_grad():
        expected = network.eval()((images - mean) / std)
    assert teacher.width == expected.shape[1]
    assert teacher.output == ("backbone" if builder is dino else "head")
    torch.testing.assert_close(teacher(images), expected, rtol=1e-5, atol=1e-5)
    if arch.startswith("vit"):
        assert teacher(torch.rand(1, 3, 96, 64)).shape == (1, teacher.width)
        with pytest.raises(UserError, match="multiples of its patch, 16, not 100 x 96; nearest: 96 or 112"):
            teacher(torch.rand(1, 3, 100, 96))


# one key each of a backbone and of a head: where the file has it, and its name within
SPOILED = [
    (moco_v3, "resnet18", "momentum_encoder.", "layer3.1.bn1.weight"),
    (moco_v3, "resnet18", "momentum_encoder.fc.", "0.weight"),
    (moco_v3, "resnet18", "momentum_encoder.fc.", "4.running_var"),
    (moco_v3, "vit_tiny_patch16_224", "momentum_encoder.", "blocks.5.norm1.bias"),
    (moco_v3, "vit_tiny_patch16_224", "momentum_encoder.head.", "3.weight"),
    (byol_revisit_airl, "resnet18", "target_encoder.", "layer3.1.bn1.weight"),
    (byol_revisit_airl, "resnet18", "target_encoder.fc.", "3.weight"),
    (byol_revisit_airl, "resnet18", "target_encoder.fc.", "1.bias"),
    (byol_openselfsup, "resnet18", "target_net.0.", "layer3.1.bn1.weight"),
    (byol_openselfsup, "resnet18", "target_net.1.mlp.", "0.weight"),
    (byol_lightly, "resnet18", "teacher_backbone.", "layer3.1.bn1.weight"),
    (byol_lightly, "resnet18", "teacher_projection_head.layers.", "1.weight"),
    (barlow_twins, "resnet18", "backbone.", "layer3.1.bn1.weight"),
    (barlow_twins, "resnet18", "projector.", "3.weight"),
    (dino, "resnet18", "backbone.", "layer3.1.bn1.weight"),
    (dino, "vit_tiny_patch16_224", "backbone.", "blocks.5.norm1.bias"),
]


@pytest.mark.parametrize("harm", ["missing", "unexpected", "shape"])
@pytest.mark.parametrize(("builder", "arch", "place", "name"), SPOILED)
def test_one_wrong_key_is_refused_by_name(builder, arch, place, name, harm):
    with torch.device("meta"):
        content, _ = builder(arch)
        state = next(content[part] for part in ("state_dict", "model", "teacher") if part in content)
        key = next(key for key in (place + name, f"module.{place}{name}") if key in state)
        if harm == "missing":
            del state[key]
        elif harm == "unexpected":
            state[f"{key}_extra"] = state[key]
        else:
            state[key] = torch.zeros((3,) * state[key].ndim)
        # a linear layer of another width is noticed by its neighbour
        with pytest.raises(UserError, match=rf"{name}|layer \d takes width" if harm == "shape" else name):
            load(content)


def test_vits_of_moco_v3_with_other_attention_than_timms_are_refused():
    with torch.device("meta"):
        content, _ = moco_v3("vit_small_patch16_224")
    with pytest.raises(UserError, match="12 attention heads"):
        recognise(content, None, "vit-s-300ep.pth.tar", "")


def test_barlow_twins_and_dinos_resnets_alone_are_read_as_torchvisions():
    with torch.device("meta"):
        net = torchvision.models.resnet50()
        net.fc = nn.Identity()
        weights, _ = load(net.state_dict())
    assert (weights.source, weights.arch, weights.dropped) == ("torchvision", "resnet50", ())


def test_settings_and_numbers_beside_the_weights_are_read_over(tmp_path):
    """DINO's training states hold their arguments, and its optimiser NumPy numbers."""
    import numpy as np

    content = {
        "teacher": {"a": torch.ones(2)},
        "args": argparse.Namespace(arch="vit_small", out=tmp_path),
        "optimizer": {"param_groups": [{"lr": np.float64(0.1)}]},
    }
    torch.save(content, tmp_path / "checkpoint.pth")
    read = read_file(tmp_path / "checkpoint.pth")
    assert torch.equal(read["teacher"]["a"], torch.ones(2))
    assert not hasattr(read["args"], "arch")
