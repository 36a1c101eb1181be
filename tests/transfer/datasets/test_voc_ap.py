"""VOC's average precision: cases worked out by hand, and Detectron2's evaluator on random predictions."""

from pathlib import Path

import numpy as np
import pytest

from transfer.datasets.voc import VocImage, VocObject
from transfer.datasets.voc_ap import area, eleven_point, evaluate


def image(name, *objects):
    items = tuple(VocObject(label, box, difficult) for label, box, difficult in objects)
    return VocImage(name, Path(f"{name}.jpg"), 100, 100, items)


SIDES = ("xmin", "ymin", "xmax", "ymax")
BOX, OTHER = (1, 1, 10, 10), (51, 51, 60, 60)


def test_perfect_predictions_are_100_percent():
    images = [image("a", ("cat", BOX, False)), image("b", ("cat", OTHER, False))]
    found = {"a": [(0, 0.9, BOX)], "b": [(0, 0.8, OTHER)]}
    assert list(evaluate(images, ["cat"], found).values()) == pytest.approx([100.0] * 6)


def test_no_predictions_are_0_percent():
    assert set(evaluate([image("a", ("cat", BOX, False))], ["cat"], {}).values()) == {0.0}


def test_a_second_hit_is_a_false_positive():
    # Surest first: a miss (it hits the same box again), then the other box: precision 1, 1/2, 2/3.
    images = [image("a", ("cat", BOX, False), ("cat", OTHER, False))]
    found = {"a": [(0, 0.9, BOX), (0, 0.8, BOX), (0, 0.7, OTHER)]}
    result = evaluate(images, ["cat"], found)
    assert result["AP50_area"] == pytest.approx(100 * (0.5 * 1 + 0.5 * 2 / 3))
    assert result["AP50"] == pytest.approx(100 * (6 * 1 + 5 * 2 / 3) / 11)


def test_a_difficult_box_counts_neither_way():
    images = [image("a", ("cat", BOX, True), ("cat", OTHER, False))]
    found = {"a": [(0, 0.9, BOX), (0, 0.8, OTHER)]}
    assert evaluate(images, ["cat"], found)["AP"] == pytest.approx(100.0)


def test_a_class_without_boxes_is_left_out_of_the_mean():
    images = [image("a", ("cat", BOX, False))]
    found = {"a": [(0, 0.9, BOX), (1, 0.9, BOX)]}
    assert evaluate(images, ["cat", "dog"], found)["AP50"] == pytest.approx(100.0)


def test_the_two_rules_on_one_curve():
    recall, precision = np.array([0.25, 0.25, 0.5]), np.array([1.0, 0.5, 2 / 3])
    assert eleven_point(recall, precision) == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)
    assert area(recall, precision) == pytest.approx(0.25 + 0.25 * 2 / 3)


def test_equals_detectron2(tmp_path, monkeypatch):
    pytest.importorskip("detectron2", reason="Detectron2 is not installed: see docs/transfer.md")
    from detectron2.evaluation.pascal_voc_evaluation import voc_eval

    rng = np.random.default_rng(0)
    classes, images, found = ["cat", "dog"], [], {}
    for number in range(12):
        objects = []
        for _ in range(rng.integers(0, 5)):
            corner, size = rng.integers(1, 50, 2), rng.integers(10, 40, 2)
            box = tuple(int(v) for v in (*corner, *(corner + size)))
            objects.append((classes[rng.integers(2)], box, bool(rng.random() < 0.2)))
        images.append(image(f"i{number}", *objects))
        found[f"i{number}"] = [
            (int(rng.integers(2)), float(rng.random()), tuple(np.array(box) + rng.integers(-4, 5, 4)))
            for _, box, _ in objects
            for _ in range(2)
        ]
    write_devkit(tmp_path, images, classes, found)
    result = evaluate(images, classes, found)
    for suffix, old in (("", True), ("_area", False)):
        for percent in (50, 75):
            theirs = [
                voc_eval(
                    str(tmp_path / "{}.txt"), str(tmp_path / "{}.xml"), str(tmp_path / "split"), name,
                    ovthresh=percent / 100, use_07_metric=old,
                )[2]
                for name in classes
            ]  # fmt: skip
            assert result[f"AP{percent}{suffix}"] == pytest.approx(100 * np.mean(theirs), abs=1e-9)


def write_devkit(folder, images, classes, found):
    (folder / "split").write_text("\n".join(item.name for item in images))
    for item in images:
        tags = "".join(
            f"<object><name>{thing.name}</name><pose/><truncated>0</truncated>"
            f"<difficult>{int(thing.difficult)}</difficult><bndbox>"
            + "".join(f"<{k}>{v}</{k}>" for k, v in zip(SIDES, thing.box, strict=True))
            + "</bndbox></object>"
            for thing in item.objects
        )
        (folder / f"{item.name}.xml").write_text(f"<annotation>{tags}</annotation>")
    for number, name in enumerate(classes):
        lines = [
            f"{item} {score!r} " + " ".join(str(float(v)) for v in box)
            for item, rows in found.items()
            for label, score, box in rows
            if label == number
        ]
        (folder / f"{name}.txt").write_text("\n".join(lines))
