"""A linear layer trained with few labels: which rows it sees, known answers, and what its row says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distill import results
from distill.backbones import Backbone
from distill.checkpoints import save_student
from distill.data.labelled import LabelledFolder
from distill.errors import UserError
from distill.evaluation import KNN, Features, SmallLabelLinear
from distill.evaluation.linear import standardise
from distill.evaluation.linear_layer import Descent, fit, logits_of
from tests.distill.evaluation.conftest import write_folder


def of_images(features: Features) -> Features:
    """The same, as features of files ``class/number.jpg``."""
    files = tuple(f"{features.classes[label]}/{row}.jpg" for row, label in enumerate(features.y.tolist()))
    return replace(
        features, images=LabelledFolder(Path("train"), files, features.classes, features.y.numpy())
    )


def test_separable_classes_are_all_right_and_meaningless_ones_at_chance(separable, meaningless, tmp_path):
    train, val = separable
    found = SmallLabelLinear().run(of_images(train), val, tmp_path)
    assert found.metrics == {"top1_1%": 100.0, "top5_1%": 100.0, "top1_10%": 100.0, "top5_10%": 100.0}
    train, val = meaningless
    metrics = SmallLabelLinear().run(of_images(train), val, tmp_path).metrics
    assert metrics["top1_10%"] == pytest.approx(100 / 7, abs=6)
    assert metrics["top5_1%"] == pytest.approx(500 / 7, abs=9)


def test_only_the_listed_images_are_seen_and_the_settings_are_the_papers(meaningless, tmp_path):
    """60 epochs, lr 0.05, momentum 0.9, wd 1e-4, batch 256, cosine: written out for one list."""
    train, val = (of_images(part) for part in meaningless)
    found = SmallLabelLinear(seed=2).run(train, val, tmp_path)
    (file,) = tmp_path.glob("label_lists/1percent-seed2-*.txt")
    rows = [train.images.files.index(line) for line in file.read_text().splitlines()]
    assert found.details["lists"]["1%"]["file"] == file.name and len(rows) == 7 * 3
    x, x_val = standardise(train.x[rows], val.x)
    layer = fit(x, train.y[rows], 7, Descent(60, 0.05, 0.9, 1e-4, 256, seed=2))
    right = (logits_of(layer, x_val).argmax(1) == val.y).double().mean()
    assert found.metrics["top1_1%"] == pytest.approx(100 * right.item())
    assert SmallLabelLinear().epochs["10%"] == 30


def test_unreadable_images_of_a_list_are_left_out():
    images = LabelledFolder(Path("t"), ("a/0", "a/1", "b/0", "b/1"), ("a", "b"), np.array([0, 0, 1, 1]))
    found = Features(torch.arange(3.0)[:, None], torch.tensor([0, 1, 1]), ("a", "b"), ("t/a/0",), images)
    part = found.of(np.array([0, 1, 3]))
    assert (part.x.flatten().tolist(), part.y.tolist()) == ([0, 2], [0, 1])


def test_nearest_neighbours_with_the_same_published_list(meaningless, tmp_path):
    """One number and no deviation; parts without a list are drawn as they always were."""
    train, val = (of_images(part) for part in meaningless)
    rows = np.random.default_rng(0).permutation(len(train.y))[:100]
    (tmp_path / "list.txt").write_text("\n".join(train.images.files[row] for row in rows))
    lists = {"1%": str(tmp_path / "list.txt")}
    drawn = KNN(few_shot=("1-shot", "10%"), draws=2).run(train, val)
    found = KNN(few_shot=("1-shot", "1%", "10%"), draws=2, lists=lists).run(train, val)
    similarity = torch.nn.functional.normalize(val.x) @ torch.nn.functional.normalize(train.x[rows]).T
    right = (train.y[rows][similarity.argmax(1)] == val.y).double().mean()
    assert found.metrics == drawn | {"1nn_1%": pytest.approx(100 * right.item())}
    assert found.details["lists"]["1%"]["pictures"] == 100


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "run" / "last.pth"
    path.parent.mkdir()
    save_student(path, Backbone("test_resnet").net, "test_resnet", [0.5] * 3, [0.5] * 3, 32)
    return path


def test_lists_on_the_command_line(run_here, checkpoint, tmp_path):
    """Given ones for all protocols with few labels; those that are drawn lie beside the results."""
    write_folder(tmp_path / "train", images=10)
    write_folder(tmp_path / "val", images=4, seed=1)
    (tmp_path / "ten.txt").write_text("cat/1.png\ndog/3.png\n")
    options = (checkpoint, "--data", tmp_path, "--workers", 0, "--device", "cpu", "--label-list")
    given = f"10%={tmp_path / 'ten.txt'}"
    run_here("evaluate.py", *options, given, "--protocols", "knn,small_label_linear")
    knn, linear = results.read(checkpoint.parent / "results.jsonl")
    assert knn["metrics"]["1nn_10%"] == linear["metrics"]["top1_10%"] == 100
    assert knn["details"]["lists"]["10%"] == linear["details"]["lists"]["10%"]
    (drawn,) = (checkpoint.parent / "evaluation" / "label_lists").iterdir()
    assert linear["details"]["lists"]["1%"]["file"] == drawn.name
    for arguments, message in (
        ((given, "--protocols", "linear"), "--label-list needs knn or small_label_"),
        (("ten.txt", "--protocols", "knn"), "--label-list ten.txt: write SHARE=FILE"),
        (("1%=nowhere.txt", "--protocols", "knn"), "no such list of labels: nowhere.txt"),
        (
            ("5%=ten.txt", "--protocols", "small_label_linear"),
            "unknown share of the labels in small_label_linear",
        ),
    ):
        assert message in run_here("evaluate.py", *options, *arguments, code=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(lr=0.0), "lr is 0.0; valid: greater than 0"),
        (dict(labels=("5%",)), "small_label_linear.epochs is .*valid: a number for each part, {'5%': 30}"),
        (dict(epochs=60), "small_label_linear.epochs is 60; valid: a number for each part"),
        (dict(labels=("1-shot",)), "labels '1-shot'; valid: a share of them"),
    ],
)
def test_bad_settings_are_one_line(settings, message):
    with pytest.raises(UserError, match=message):
        SmallLabelLinear(**settings)
