"""Means and deviations over seeds, and what may stand in one table."""

import re
from pathlib import Path

import pytest

from distill.report.blocks import Model, blocks_of, count_seeds
from distill.report.published import facts
from distill.report.rows import newest_rows
from distill.report.tasks import Tasks
from distill.results.protocol import declared
from distill.results.rows import append, make_row

ROOT = Path(__file__).resolve().parents[3]


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
    assert block.seeds[model] == "1 seed"


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
    assert [block.task.name for block in blocks_of([row(1, task=task) for task in tasks])] == tasks[::-1]


def test_a_repeated_measurement_replaces_the_older_one(tmp_path):
    file = tmp_path / "results.jsonl"
    for value, time in ((5, "2026-01-01"), (7, "2026-01-03"), (6, "2026-01-02")):
        append(file, row(value) | {"time": time})
    rows, superseded = newest_rows([file])
    assert [r["metrics"]["mIoU"] for r in rows] == [7]
    assert superseded == 2


@pytest.mark.parametrize(
    ("task", "metric", "shown"),
    [
        ("coco_lowshot_1k", "bbox_AP50", "box AP50"),
        ("voc07_det", "AP_area", "AP, area"),
        ("linear", "top1", "top-1"),
        ("knn", "1nn_1-shot", "1-NN, 1-shot"),
        ("retrieval", "recall@1", "R@1"),
    ],
)
def test_metric_names_are_for_readers(task, metric, shown):
    assert Tasks().of({"task": task}).read_as(metric) == shown


def test_a_row_says_itself_what_its_task_is():
    """A benchmark or protocol that this project does not know stands where its rows say."""
    told = dict(title="Depth, NYU", kind="images", headline="delta1", names={"delta1": "within 25 %"})
    values = {"rmse": 9, "delta1": 80}
    (block,) = blocks_of([make_row("nyu", "m", "random", "resnet18", 0, values, "x", "", {}, 1.0, **told)])
    assert (block.task.title, block.task.kind) == ("Depth, NYU", "images")
    assert block.metrics == ("delta1", "rmse") and block.task.read_as("delta1") == "within 25 %"


def test_rows_of_before_show_as_they_did():
    """Without title, kind and headline in them."""
    found = {task: Tasks().of(row(1, task=task)) for task in ("cityscapes_seg", "retrieval", "my_own")}
    assert "title" not in row(1)
    assert found["cityscapes_seg"].title == "Segmentation, Cityscapes (FCN)"
    assert (found["retrieval"].title, found["retrieval"].kind) == ("Image retrieval", "features")
    assert (found["my_own"].title, found["my_own"].kind) == ("My own", "transfer")


def trained(value: float, training_seed: int, seed: int = 0) -> dict:
    return row(value, seed) | {"training_seed": training_seed, "checkpoint": f"run{training_seed}/last.pth"}


def test_training_seeds_are_averaged_and_counted_in_words(tmp_path):
    file = tmp_path / "results.jsonl"
    for value, training_seed in ((10, 0), (12, 1), (17, 2)):
        append(file, trained(value, training_seed))
    (block,) = blocks_of(newest_rows([file])[0])
    (model,) = block.models
    assert str(block.cells["mIoU", model]) == "13.0 ± 3.6"
    assert block.seeds[model] == "3 training seeds"


def test_a_file_measured_before_and_after_rows_told_the_training_seed_counts_once(tmp_path):
    file = tmp_path / "results.jsonl"
    append(file, row(5) | {"sha256": "ab", "time": "2026-01-01"})
    append(file, trained(7, 3) | {"sha256": "ab", "time": "2026-01-02"})
    rows, superseded = newest_rows([file])
    assert ([r["metrics"]["mIoU"] for r in rows], superseded) == ([7], 1)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(1)], "1 seed"),
        ([row(1, seed) for seed in range(3)], "3 seeds"),
        ([trained(1, 5)], "1 seed"),
        ([trained(1, 0, seed) for seed in range(2)], "2 seeds"),
        ([trained(1, t, seed) for t in range(2) for seed in range(3)], "2 training seeds, 3 seeds"),
        ([row(1) | {"checkpoint": name} for name in ("a.pth", "b.pth")], "2 checkpoints"),
        ([row(1, s, init="random") | {"checkpoint": f"random:resnet18:{s}"} for s in range(2)], "2 seeds"),
    ],
)
def test_seeds_in_words(rows, words):
    assert count_seeds(rows) == words


def test_two_files_of_one_run_are_two_models(tmp_path):
    """OSS leaves last.pth and teacher.pth, which older rows give one label: the run's."""
    file = tmp_path / "results.jsonl"
    for name, value in (("last", 30), ("teacher", 40)):
        append(file, row(value) | {"label": "oss_r18", "checkpoint": f"work_dirs/oss_r18/{name}.pth"})
    rows, superseded = newest_rows([file])
    assert superseded == 0
    (block,) = blocks_of(rows)
    assert {model.label: block.cells["mIoU", model].mean for model in block.models} == {
        "oss_r18": 30, "oss_r18 teacher": 40,
    }  # fmt: skip


def test_the_modules_name_no_task():
    """What a task is called stands in its protocol, its rows or ``published.json``."""
    names = {*declared(), *facts()["benchmarks"]}
    found = re.compile(rf"[\"'](?:{'|'.join(names)})[\"']")
    for path in (*(ROOT / "distill/report").glob("*.py"), *(ROOT / "tools").glob("*.py")):
        if path.name != "demo.py":  # it runs two benchmarks
            assert not found.findall(path.read_text()), path
