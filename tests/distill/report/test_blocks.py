"""Means and deviations over seeds, and what may stand in one table."""

import pytest

from distill.report.blocks import Model, blocks_of, metric_name
from distill.report.rows import newest_rows
from distill.results.rows import append, make_row


def row(value: float, seed: int = 0, init: str = "distilled", task: str = "voc12_seg", **settings) -> dict:
    settings = {
        "arch": "resnet18",
        "seed": seed,
        "schedule": {"steps": 100},
        "data_root": "/a/voc",
    } | settings
    return make_row(task, f"my-{init}", init, "resnet18", seed, {"mIoU": value}, "x.pth", "", settings, 1.0)


def test_mean_and_sample_deviation_over_seeds():
    (block,) = blocks_of([row(10, 0), row(12, 1), row(17, 2)])
    cell = block.cells["mIoU", Model("distilled", "my-distilled", "resnet18")]
    assert (cell.mean, cell.n) == (13, 3)
    assert cell.std == pytest.approx(13**0.5)  # ((-3)^2 + (-1)^2 + 4^2) / (3 - 1)
    assert str(cell) == "13.0 ± 3.6"


def test_one_seed_has_no_deviation():
    (block,) = blocks_of([row(10)])
    (model,) = block.models
    assert str(block.cells["mIoU", model]) == "10.0"
    assert block.seeds(model) == "1 seed"


def test_models_stand_in_the_order_random_distilled_other_teacher():
    (block,) = blocks_of([row(1, init=init) for init in ("teacher", "supervised", "distilled", "random")])
    assert [model.init for model in block.models] == ["random", "distilled", "supervised", "teacher"]


def test_gain_is_the_difference_to_random_weights_of_the_same_backbone():
    (block,) = blocks_of([row(30), row(20, init="random")])
    distilled, random = block.models[::-1]
    assert block.gain("mIoU", distilled) == pytest.approx(10)
    assert block.gain("mIoU", random) is None


def test_no_gain_without_a_random_model_of_the_same_backbone():
    other = row(20, init="random") | {"backbone": "resnet50"}
    (block,) = blocks_of([row(30), other])
    assert all(block.gain("mIoU", model) is None for model in block.models)


def test_different_budgets_are_never_averaged():
    long, short = row(50, schedule={"steps": 100}), row(10, schedule={"steps": 5})
    blocks = blocks_of([long, short])
    assert sorted(block.notes for block in blocks) == ["steps: 100", "steps: 5"]
    assert all(cell.n == 1 for block in blocks for cell in block.cells.values())


def test_settings_of_the_model_and_of_the_seed_do_not_part_a_table():
    rows = [row(1, seed=0, weights="a.pth", sha256="1", mean=[0.5]), row(2, seed=1, weights="", mean=[0.4])]
    assert len(blocks_of(rows)) == 1


def test_frozen_features_come_first_and_unknown_tasks_last():
    tasks = ["mine", "voc12_seg", "knn"]
    assert [block.task for block in blocks_of([row(1, task=task) for task in tasks])] == tasks[::-1]


def test_a_repeated_measurement_replaces_the_older_one(tmp_path):
    file = tmp_path / "results.jsonl"
    for value, time in ((5, "2026-01-01"), (7, "2026-01-03"), (6, "2026-01-02")):
        append(file, row(value) | {"time": time})
    rows, superseded = newest_rows([file])
    assert [r["metrics"]["mIoU"] for r in rows] == [7]
    assert superseded == 2


@pytest.mark.parametrize(
    ("metric", "shown"),
    [("bbox_AP50", "box AP50"), ("AP_area", "AP, area"), ("top1", "top-1"), ("1nn_1-shot", "1-NN, 1-shot")],
)
def test_metric_names_are_for_readers(metric, shown):
    assert metric_name(metric) == shown
