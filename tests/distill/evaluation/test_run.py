from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from distill.backbones import Backbone
from distill.checkpoints import random_weights
from distill.errors import UserError
from distill.evaluation import (
    KNN,
    Extraction,
    Linear,
    Outcome,
    Result,
    build,
    evaluate,
    format_table,
    knn,
    linear,
    list_labelled,
)
from distill.evaluation.run import content
from distill.results.protocol import Protocol

SMALL = Extraction(image_size=32, batch_size=8, workers=0)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


def test_one_extraction_feeds_all_evaluators(image_folder, backbone):
    """An evaluator is any dataclass with ``protocol`` and ``run``."""
    seen = []

    @dataclass(frozen=True)
    class Spy:
        scale: float = 2.0
        protocol: ClassVar[Protocol] = Protocol("spy", "Spy", "features")

        def run(self, train, val):
            seen.append((train, val))
            return {"value": self.scale}

    train, val = (list_labelled(image_folder(part)) for part in ("train", "val"))
    lines = []
    first, second = evaluate(backbone, train, val, [Spy(), Spy(3.0)], SMALL, lines.append)
    assert seen[0] == seen[1]
    assert (first.metrics, second.metrics) == ({"value": 2.0}, {"value": 3.0})
    assert second.settings["spy"] == {"scale": 3.0}
    assert second.settings["image_size"] == 32 and second.settings["resize"] == 37
    expected = {"folder": str(val.root), "images": 12, "unreadable": 0, "content": content(val)}
    assert second.settings["val"] == expected
    assert len(lines) == 2 and "train: 12 images, 2 classes" in lines[0]


def test_colours_are_told_apart_even_by_a_random_network(image_folder, backbone):
    train, val = (list_labelled(image_folder(part, seed=seed)) for seed, part in enumerate(("train", "val")))
    found = {
        result.task: result.metrics for result in evaluate(backbone, train, val, [KNN(), Linear()], SMALL)
    }
    assert found == {"knn": {"1nn": 100.0, "20nn": 100.0}, "linear": {"top1": 100.0}}


def test_different_classes_are_refused_before_any_work(image_folder, backbone):
    train = list_labelled(image_folder("train", classes=("a", "b")))
    val = list_labelled(image_folder("val", classes=("a", "c")))
    with pytest.raises(UserError, match="different classes"):
        next(evaluate(backbone, train, val, [KNN()], SMALL))


def test_corrupt_images_are_told(image_folder, backbone):
    train = image_folder("train", images=50, size=(32, 32))
    (train / "dog" / "7.png").write_text("")
    folder = list_labelled(train)
    lines = []
    (result,) = evaluate(backbone, folder, folder, [KNN()], SMALL, lines.append)
    assert f"skipped, could not be read: {train / 'dog' / '7.png'}" in lines
    expected = {"folder": str(train), "images": 99, "unreadable": 1, "content": content(folder)}
    assert result.settings["train"] == expected


def test_table_is_aligned():
    results = [
        Result(knn.PROTOCOL, Outcome({"1nn": 9.04, "20nn": 100.0}), {}, 1.0),
        Result(linear.PROTOCOL, Outcome({"top1": 50.0}), {}, 1.0),
    ]
    assert format_table(results) == ["knn     1nn   9.0  20nn 100.0", "linear  top1  50.0"]


def test_an_evaluator_takes_the_seed_and_settings_that_it_has():
    assert build("linear", 3, epochs=5) == Linear(epochs=5, seed=3)
    assert not hasattr(build("retrieval", 3), "seed")
    with pytest.raises(UserError, match="unknown setting of linear 'epoch'; did you mean 'epochs'"):
        build("linear", 3, epoch=5)


def test_settings_tell_the_normalisation(image_folder):
    """Another mean is another measurement."""
    folder = list_labelled(image_folder("train"))
    grey = Backbone("test_resnet", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    (result,) = evaluate(grey, folder, folder, [KNN()], SMALL)
    assert (result.settings["mean"], result.settings["std"]) == ([0.5] * 3, [0.25] * 3)


def test_an_outcome_s_details_and_figures_stand_in_the_row(image_folder, backbone):
    """An evaluator that has more to tell than percentages returns an Outcome."""

    @dataclass(frozen=True)
    class Told:
        protocol = Protocol(name="told", title="Told", kind="features", metrics={"top1": "top-1"})

        def run(self, train, val):
            return Outcome({"top1": 50.0}, {"per_class": {"cat": 50.0}}, {"grid": "grid.png"})

    folder = list_labelled(image_folder("train"))
    (result,) = evaluate(backbone, folder, folder, [Told()], SMALL)
    row = result.row("mine", "random", random_weights("test_resnet", 0), 0)
    assert (row["metrics"], row["details"], row["figures"]) == (
        {"top1": 50.0}, {"per_class": {"cat": 50.0}}, {"grid": "grid.png"},
    )  # fmt: skip
