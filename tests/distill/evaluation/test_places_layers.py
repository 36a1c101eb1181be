"""A linear layer on each layer: how maps are pooled, known answers, and a kill."""

import json

import numpy as np
import pytest
import torch

from distill.backbones import Backbone
from distill.checkpoints import save_student
from distill.errors import UserError
from distill.evaluation import PlacesLayers
from distill.evaluation.pooled_layers import PooledLayers, side_of
from tests.distill.evaluation.conftest import measure, write_folder

QUICK = PlacesLayers(epochs=30, milestones=(20,), batch_size=8, dimensions=300)
LAYERS = ["act1", "layer1", "layer2", "layer3", "layer4"]


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet").eval()


@pytest.mark.parametrize(
    ("arch", "layers"), [("resnet18", 5), ("resnet50", 5), ("alexnet_compress", 6), ("mobilenetv2_100", 5)]
)
def test_every_layer_has_about_9000_numbers_at_224_pixels(arch, layers):
    """AlexNet's are its five convolutions and the last pooling."""
    network = PooledLayers(Backbone(arch).eval(), 224, 9000)
    sizes = [end - first for first, end in network.columns.values()]
    assert len(sizes) == layers and all(8000 <= size <= 10000 for size in sizes)
    assert network.width == sum(sizes)


def test_sides_by_hand():
    assert [side_of(channels, 56, 9000) for channels in (64, 128, 256, 512, 2048)] == [12, 8, 6, 4, 2]
    assert side_of(512, 2, 9000) == 2  # no more than the map has
    assert side_of(10_000, 7, 9000) == 1


def slow_pool(found, side):
    """Adaptive max pooling by its definition: square i of s is from floor(i n / s) to ceil((i + 1) n / s)."""
    n = found.shape[-1]
    places = [(int(np.floor(i * n / side)), int(np.ceil((i + 1) * n / side))) for i in range(side)]
    squares = [[found[:, :, a:b, c:d].max((2, 3)) for c, d in places] for a, b in places]
    return np.stack([np.stack(row, 2) for row in squares], 2).reshape(len(found), -1)


def test_pooled_maps_are_those_of_the_network(backbone):
    """Side by side, each layer's in its columns; the map of 8 pixels to 3 has squares that overlap."""
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network = PooledLayers(backbone, 32, 300)
    with torch.no_grad():
        rows = network((images * 255).byte()).numpy()
        normalised = ((images * 255).byte() / 255 - backbone.mean) / backbone.std
        maps = backbone.net.forward_intermediates(normalised, intermediates_only=True)
    assert network.layers == LAYERS and len(maps) == 5
    for (first, end), side, found in zip(network.columns.values(), network.sides.values(), maps, strict=True):
        np.testing.assert_array_equal(rows[:, first:end], slow_pool(found.numpy(), side))


def test_colours_are_told_apart_by_every_layer_and_nothing_large_is_left(backbone, data, tmp_path):
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    result, lines = measure(backbone, data, tmp_path, QUICK)
    assert result.metrics == {"best": 100.0} | {f"top1_{layer}": 100.0 for layer in LAYERS}
    assert result.outcome.details["best"] in LAYERS and list(result.outcome.details["dimensions"]) == LAYERS
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert sum("dimensions, top-1 100.0" in line for line in lines) == 5
    (folder,) = tmp_path.iterdir()
    assert [path.name for path in folder.iterdir()] == ["layers.json"]
    again, lines = measure(backbone, data, tmp_path, QUICK)
    assert again.metrics == result.metrics and lines == []


def test_labels_that_mean_nothing_are_learnt_to_chance(backbone, tmp_path):
    for part, images, seeds in (("train", 4, range(7)), ("val", 30, range(7, 14))):
        for name, seed in zip("abcdefg", seeds, strict=True):
            write_folder(tmp_path / part, (name,), images, seed=seed)
    result, _ = measure(backbone, tmp_path, tmp_path / "work", QUICK)
    mean = np.mean([result.metrics[f"top1_{layer}"] for layer in LAYERS])
    assert mean == pytest.approx(100 / 7, abs=5) and result.metrics["best"] < 35
    assert result.outcome.details["top5"].keys() == set(LAYERS)


def test_an_unreadable_image_takes_no_part(backbone, tmp_path):
    """Of 101 training images one is torn: the same layers as without it."""
    for part, images in (("train", 50), ("val", 4)):
        write_folder(tmp_path / part, images=images, seed=images)
    quick = PlacesLayers(epochs=2, milestones=(), batch_size=32, dimensions=50)
    whole, _ = measure(backbone, tmp_path, tmp_path / "whole", quick)
    (tmp_path / "train" / "cat" / "torn.png").write_text("not an image")
    torn, lines = measure(backbone, tmp_path, tmp_path / "torn", quick)
    assert torn.outcome == whole.outcome
    assert f"skipped, could not be read: {tmp_path}/train/cat/torn.png" in lines


def test_killed_between_two_layers_it_ends_as_if_nothing_had_happened(
    backbone, data, kill_and_resume, tmp_path
):
    checkpoint = tmp_path / "run" / "last.pth"
    checkpoint.parent.mkdir()
    save_student(checkpoint, backbone.net, "test_resnet", [0.5] * 3, [0.25] * 3, 32)
    name = "places_layers"
    arguments = [
        str(checkpoint), "--data", str(data), "--workers", "0", "--device", "cpu", "--protocols", name,
        "--seed", "3", "--cfg-options", f"{name}.epochs=25", f"{name}.batch_size=2", f"{name}.dimensions=300",
    ]  # fmt: skip
    whole, broken, output = kill_and_resume(arguments, once="evaluation/*/layers.json")
    assert 0 < output.count("dimensions, top-1") < 5
    files = [next(folder.glob("evaluation/*/layers.json")) for folder in (whole, broken)]
    assert json.loads(files[0].read_text()) == json.loads(files[1].read_text())


def test_networks_without_maps_and_bad_settings_are_one_line():
    for arch, size, message in (
        ("vit_tiny_patch16_224", 224, "vit_tiny_patch16_224: its layer blocks.0 gives no map; valid: CNNs"),
        ("test_vit", 160, "gives no map"),
    ):
        with pytest.raises(UserError, match=message):
            PooledLayers(Backbone(arch).eval(), size, 9000)
    with pytest.raises(UserError, match="dimensions is 0"):
        PlacesLayers(dimensions=0)
    with pytest.raises(UserError, match="dtype is 'half'; valid: 'float16' or 'float32'"):
        PlacesLayers(dtype="half")


def test_defaults_are_the_papers():
    found = PlacesLayers()
    assert (found.epochs, found.lr, found.batch_size, found.weight_decay) == (90, 0.01, 256, 1e-4)
    assert (found.momentum, found.milestones, found.gamma) == (0.9, (30, 60, 80), 0.1)
