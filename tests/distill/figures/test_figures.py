"""Figures of small real files and networks with a known answer."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from distill import figures, results
from distill.backbones import Backbone
from distill.errors import UserError
from distill.evaluation import Extraction, list_labelled
from distill.figures import cluster_grid, feature_maps, per_category
from distill.figures.drawing import Drawing, style, write
from distill.figures.material import Material, Subject

NAMES = ("a $\\frac{1}$ <b>", "dog")  # text, though it looks like markup


def write_patches(root, images=6, seed=0):
    """Grey images with a square patch in a random quarter: red for the first class, blue for the second."""
    random = np.random.default_rng(seed)
    for name, colour in zip(NAMES, ((255, 0, 0), (0, 0, 255)), strict=True):
        (root / name).mkdir(parents=True)
        for number in range(images):
            pixels = np.full((32, 32, 3), 90, np.uint8)
            top, left = 16 * random.integers(0, 2, 2)
            pixels[top : top + 16, left : left + 16] = colour
            Image.fromarray(pixels).save(root / name / f"{number}-{top}-{left}.png")
    return list_labelled(root)


@pytest.fixture
def material(tmp_path):
    train, val = write_patches(tmp_path / "train"), write_patches(tmp_path / "val", seed=1)
    return Material(train, val, Extraction(32, 32, batch_size=8, workers=0), clusters=2, pictures=4)


class Colours(nn.Module):
    """A network whose map is the image itself, at a quarter of its size."""

    def __init__(self):
        super().__init__()
        self.shrink = nn.Conv2d(3, 3, kernel_size=4, stride=4, groups=3, bias=False)
        nn.init.constant_(self.shrink.weight, 1 / 16)
        self.feature_info = [{"module": "shrink", "num_chs": 3, "reduction": 4}]

    def forward_features(self, x):
        return self.shrink(x)

    def forward(self, x):
        return self.forward_features(x).mean((2, 3))


def seeing_colours(material):
    backbone = Backbone("test_resnet", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    backbone.net, backbone.width = Colours(), 3
    return Subject("colours", backbone, material)


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text"))]


def test_figures_are_found_by_their_files():
    assert set(figures.names()) == {"cluster_grid", "feature_maps", "grad_cam", "per_category"}
    assert all(shows.endswith(".") for shows in figures.names().values())


def test_a_png_says_what_it_shows_and_cuts_nothing_off(tmp_path):
    with style():
        figure = Figure(figsize=(3, 2), layout="constrained")
        figure.subplots().set_ylabel("a name $\\frac{1}$ that is not typeset")
        drawing = Drawing("mine", figure, "A long title " * 5, "What it shows, ü. " * 20)
        path = write(drawing, tmp_path / "new", "python tools/figures.py --out 'a b'")
    with Image.open(path) as image:
        said, pixels = image.text, np.asarray(image.convert("L"))
    assert path == tmp_path / "new" / "mine.png"
    assert (said["Title"], said["Description"]) == (drawing.title, drawing.caption)
    assert said["Comment"] == "python tools/figures.py --out 'a b'"
    assert pixels[:5].min() == pixels[-5:].min() == pixels[:, :5].min() == pixels[:, -5:].min() == 255
    assert pixels[-60:].min() < 100  # the command stands at the bottom


def test_rows_of_the_grid_are_clusters(material):
    """The two colours are the two clusters; each row names its class as it is, and is of one colour."""
    subject = seeing_colours(material)
    with style():
        (drawing,) = cluster_grid.draw(material, [subject])
    assert drawing.name == "cluster_grid-colours" and "2 of 2 k-means clusters" in drawing.caption
    labels = [label.get_text() for label in drawing.figure.axes[0].get_yticklabels()]
    assert sorted(labels) == [f"{NAMES[0]}\n6 of 6", "dog\n6 of 6"]
    for label, cluster in zip(labels, material.chosen(2, [0, 1]), strict=True):
        rows = cluster_grid.members(material, subject, cluster)
        assert {material.train.classes[material.train.labels[row]] for row in rows} == {label[:-7]}


def test_the_grid_leaves_unreadable_images_out(tmp_path):
    """The features have a row less than the folder has files: the images must be those of the features."""
    train = write_patches(tmp_path / "train", images=60)
    (tmp_path / "train" / train.files[0]).write_text("torn")
    val = write_patches(tmp_path / "val")
    material = Material(train, val, Extraction(32, 32, batch_size=8, workers=0), clusters=2)
    subject = seeing_colours(material)
    for cluster in (0, 1):
        rows = cluster_grid.members(material, subject, cluster)
        assert 0 not in rows and len({int(train.labels[row]) for row in rows}) == 1


def test_choices_are_the_same_for_the_same_seed(material):
    rows = range(100)
    assert material.chosen(5, rows) == material.chosen(5, rows)
    assert material.chosen(5, rows) != replace(material, seed=1).chosen(5, rows)
    assert sorted(material.chosen(500, rows)) == list(rows)


def test_curves_are_sorted(material):
    (drawing,) = per_category.draw(material, [seeing_colours(material)])
    assert_curves(drawing, {"colours (mean 100.0)": [100, 100]})


def assert_curves(drawing, expected):
    (axes,) = drawing.figure.axes
    assert {line.get_label(): line.get_ydata().tolist() for line in axes.lines} == expected


def test_curves_of_rows(tmp_path):
    """The newest row of a label counts; old rows do not tell the accuracy of each class."""
    file = tmp_path / "results.jsonl"
    row = results.make_row("cluster_alignment", "mine", "random", "x", 0, {}, "", "", {}, 1.0)
    for values in ({"a": 0.0, "b": 0.0}, {"a": 20.0, "b": 60.0, "c": None}):
        results.append(file, row | {"details": {"per_class": values}})
    results.append(file, row | {"label": "old"})
    results.append(file, row | {"task": "voc07_svm", "details": {"per_class": {"a": 1.0}}})
    assert_curves(per_category.drawing_of_rows([file]), {"mine (mean 40.0)": [60, 20]})
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(UserError, match="none.jsonl: no row of cluster_alignment with the accuracy of each"):
        per_category.drawing_of_rows([tmp_path / "none.jsonl"])
    with pytest.raises(UserError, match="no such results file"):
        per_category.drawing_of_rows([tmp_path / "other.jsonl"])


def test_maps_of_networks_of_any_width_and_stride_share_their_colours(material):
    """What looks the same to a network has the same colour: the grey of all pictures, and each patch."""
    torch.manual_seed(0)
    other = Subject("resnet", Backbone("test_resnet"), material)
    subjects = [seeing_colours(material), other]
    assert [feature_maps.map_of(each, torch.zeros(1, 3, 32, 32).byte()).shape[1:] for each in subjects] == [
        (3, 8, 8), (96, 1, 1)
    ]  # fmt: skip
    (drawing,) = feature_maps.draw(material, subjects)
    shown = [field.images[0].get_array() for field in drawing.figure.axes]
    pictures, own = shown[:4], np.stack(shown[4:8])
    assert own.shape == (4, 8, 8, 3)
    for picture, colours in zip(pictures, own, strict=True):
        for value in np.unique(picture.reshape(-1, 3), axis=0):
            same = colours[(picture[::4, ::4] == value).all(-1)]
            assert same.std(axis=0).max() < 1e-3


def grad_cam():
    pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed: pip install grad-cam")
    from distill.figures import grad_cam

    return grad_cam


def test_grad_cam_finds_what_speaks_for_the_true_class(material):
    """The class is the colour of the patch: the heat is there and nowhere else."""
    images = material.look(material.val, range(12))
    found = grad_cam().looks_of(seeing_colours(material), images, torch.from_numpy(material.val.labels))
    assert found.predicted.tolist() == material.val.labels.tolist()
    for heat, file in zip(found.heat, material.val.files, strict=True):
        top, left = (int(part) for part in Path(file).stem.split("-")[1:])
        inside = heat[top + 4 : top + 12, left + 4 : left + 12]
        assert inside.min() > 0.9 and heat.sum() < 1.6 * 16 * 16


def test_grad_cam_leaves_the_network_as_it_was(material):
    subject = seeing_colours(material)
    subject.backbone.train()
    before = {key: value.clone() for key, value in subject.backbone.state_dict().items()}
    (drawing,) = grad_cam().draw(material, [subject])
    assert subject.backbone.training
    assert all(torch.equal(value, before[key]) for key, value in subject.backbone.state_dict().items())
    assert set(NAMES) <= set(texts(drawing.figure))


def test_grad_cam_needs_a_map(material):
    vit = Subject("vit", Backbone("vit_tiny_patch16_224", img_size=32), material)
    with pytest.raises(UserError, match="grad_cam: vit_tiny_patch16_224 .*; valid: convolutional networks"):
        list(grad_cam().draw(material, [vit]))


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)  # an import fails
    monkeypatch.delitem(sys.modules, "distill.figures.grad_cam", raising=False)
    with pytest.raises(UserError, match="grad_cam needs the library grad-cam: pip install grad-cam"):
        figures.drawer("grad_cam")
