"""Weights load whole or not at all, and files that hold code are refused."""

import pickle
from dataclasses import replace

import pytest
import torch
from torchvision.models import resnet18

from distill.checkpoints import random_weights, read_weights
from distill.errors import UserError
from transfer.frameworks.detectron2.export import own_names
from transfer.network.partition import StagedBackbone
from transfer.network.plain_resnet import resnet_layout
from transfer.network.policy import Policy
from transfer.network.weights import (
    load_stages,
    read_stage_weights,
    write_arrays,
    write_checkpoint,
    write_safetensors,
)


@pytest.fixture(scope="module")
def weights():
    """A MobileNet with a tail (``conv_head``) that no stage has."""
    return random_weights("mobilenetv3_small_100", seed=3)


def test_a_whole_checkpoint_loads_and_only_its_tail_is_left_over(weights):
    backbone = StagedBackbone(weights.arch, ("res4",))
    report = load_stages(backbone, weights)
    assert report.tensors == len(backbone.state_dict())
    assert all(torch.equal(value, weights.backbone[key]) for key, value in backbone.state_dict().items())


def test_a_missing_a_misshaped_and_a_strange_key_each_fail_by_name(weights):
    state = weights.backbone
    missing = {key: value for key, value in state.items() if key != "conv_stem.weight"}
    misshaped = state | {"conv_stem.weight": torch.zeros(8, 3, 3, 3)}
    strange = state | {"backbone.conv_stem.weight": state["conv_stem.weight"]}
    for broken, said in [
        (missing, r"1 missing \(conv_stem.weight\)"),
        (misshaped, r"conv_stem.weight is \(8, 3, 3, 3\), wanted \(16, 3, 3, 3\)"),
        (strange, r"1 unexpected \(backbone.conv_stem.weight\)"),
    ]:
        with pytest.raises(UserError, match=said):
            load_stages(StagedBackbone(weights.arch), replace(weights, backbone=broken))


@pytest.mark.parametrize(("write", "suffix"), [(write_arrays, ".pkl"), (write_checkpoint, ".pth")])
def test_written_stages_read_back_with_their_pixels(weights, tmp_path, write, suffix):
    """A later command takes the converted file as a checkpoint, mean and std included."""
    weights = replace(weights, std=(0.1, 0.2, 0.3))
    state = dict(StagedBackbone(weights.arch).state_dict())
    path = tmp_path / f"stages{suffix}"
    write(path, state, weights)
    again = read_stage_weights(path)
    assert (again.arch, again.mean, again.std) == (weights.arch, weights.mean, weights.std)
    assert again.backbone.keys() == state.keys()
    assert all(torch.equal(again.backbone[key], value) for key, value in state.items())
    with pytest.raises(UserError, match="holds a mobilenetv3_small_100, not a resnet18"):
        read_stage_weights(path, "resnet18")


def test_numbers_are_as_people_write_them(weights, tmp_path):
    """A file holds the 32-bit number nearest to 0.485; CLIP's numbers have more digits and keep them."""
    mean, std = (0.48500001430511475, 0.48145466, 0.4), (0.2290000021457672, 0.26862954, 1.0)
    write_checkpoint(tmp_path / "s.pth", weights.backbone, replace(weights, mean=mean, std=std))
    again = read_stage_weights(tmp_path / "s.pth")
    assert again.mean == (0.485, 0.48145466, 0.4)
    assert again.std == (0.229, 0.26862954, 1.0)
    assert Policy(mean=(again.mean[0], 0.456, 0.406)).pixel_mean() == [123.675, 116.28, 103.53]


def test_safetensors_read_back_through_the_projects_reader(weights, tmp_path):
    write_safetensors(tmp_path / "whole.safetensors", weights.backbone, weights)
    again = read_weights(tmp_path / "whole.safetensors", weights.arch)
    assert all(torch.equal(again.backbone[key], value) for key, value in weights.backbone.items())


def test_resnet_names_of_detectron2():
    """All names of a ResNet-18, compared with the rule of Detectron2's modules."""
    state = {key: value for key, value in resnet18().state_dict().items() if not key.startswith("fc.")}
    names = own_names(state)
    assert len(names) == len(state)
    assert names["stem.conv1.weight"] is state["conv1.weight"]
    assert names["stem.conv1.norm.running_var"] is state["bn1.running_var"]
    assert names["res2.1.conv2.norm.bias"] is state["layer1.1.bn2.bias"]
    assert names["res5.0.shortcut.weight"] is state["layer4.0.downsample.0.weight"]
    assert names["res5.0.shortcut.norm.weight"] is state["layer4.0.downsample.1.weight"]


@pytest.mark.parametrize(
    ("arch", "sizes"),
    [
        ("resnet18", (18, 1, 64, 64, 64)),
        ("resnet50", (50, 1, 64, 64, 256)),
        ("resnext50_32x4d", (50, 32, 4, 64, 256)),
        ("wide_resnet50_2", (50, 1, 128, 64, 256)),
    ],
)
def test_a_resnets_sizes_are_read_from_its_tensors(arch, sizes):
    layout = resnet_layout(random_weights(arch, 0).backbone, arch)
    assert (layout.depth, layout.groups, layout.width, layout.stem, layout.res2) == sizes


@pytest.mark.parametrize("arch", ["resnet18d", "mobilenetv3_small_100", "seresnet18", "resnet26"])
def test_other_networks_have_no_native_form(arch):
    with pytest.raises(UserError, match=f"{arch}.*without --native"):
        resnet_layout(random_weights(arch, 0).backbone, arch)


class RunsCode:
    def __reduce__(self):
        return print, ("this must not be printed",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({"model": RunsCode()}), r"refused, loading it would run code .*\(builtins.print\)"),
        (pickle.dumps({"model": {}})[:10], "not a whole checkpoint"),
        (pickle.dumps([1, 2]), "no Detectron2 weights in it"),
        (pickle.dumps({"model": {}, "__author__": "someone"}), "not a .pkl that this project wrote"),
    ],
)
def test_a_pkl_that_is_not_ours_is_refused(tmp_path, capsys, content, said):
    path = tmp_path / "weights.pkl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_stage_weights(path)
    assert capsys.readouterr().out == ""
