"""Which of our rows stand in a published table, and what is said of them there."""

import json

import pytest

from distill.report.blocks import Model, blocks_of
from distill.report.origins import Origin, origins, settings
from distill.report.placed import placed
from distill.report.published import tables
from distill.report.runs import Run, epoch_minutes
from distill.results.rows import make_row

TABLES = {table.source: table for table in tables()}
COMPRESS, OSS = "CompRess (NeurIPS 2020), Table ", "OSS (NeurIPS 2021), Table "


def row(
    task="linear", metrics=None, data="imagenet", size=224, backbone="resnet18", init="distilled", **other
):
    told = {"image_size": size, "val": {"folder": "/somewhere/pets/val"}} | other.pop("settings", {})
    return make_row(
        task, "mine", init, backbone, 0, metrics or {"top1": 60.0}, "x.pth", "", told, 1.0, data=data
    )


def ours(source: str, *rows: dict, **known: Origin) -> list:
    blocks = blocks_of(list(rows))
    own = {model: known["origin"] for block in blocks for model in block.models} if known else {}
    table = placed(TABLES[source], blocks, own)
    return (
        [(group.title, line) for group in table.groups for line in group.lines if line.ours] if table else []
    )


def test_a_row_stands_below_the_students_own_columns():
    ((_, line),) = ours(
        COMPRESS + "1", row(), row("knn", {"1nn": 50.0}), row("cluster_alignment", {"top1": 30.0})
    )
    assert line.labels == ("mine",)
    assert line.cells == ("", "", "", "60.0", "50.0", "30.0", "", "", "", "", "", "")


def test_a_row_stands_in_the_students_own_group():
    ((group, line),) = ours(OSS + "9", row("linear_crops", backbone="efficientnet_b0"))
    assert (group, line.labels, line.cells) == ("Student: EfficientNet-B0", ("mine", ""), ("", "60.0"))


@pytest.mark.parametrize(
    ("source", "unlike"),
    [
        (COMPRESS + "1", dict(task="retrieval")),
        (COMPRESS + "1", dict(data="cifar10")),
        (COMPRESS + "1", dict(backbone="resnet34")),
        (COMPRESS + "1", dict(init="teacher")),
        (
            COMPRESS + "4",
            dict(task="retrieval", metrics={"recall@1": 9.0}, data="", backbone="alexnet_compress"),
        ),
    ],
    ids=[
        "another protocol",
        "another set",
        "another student",
        "a teacher",
        "a folder where a table has two sets",
    ],
)
def test_what_is_not_of_the_same_kind_stands_in_no_table(source, unlike):
    assert ours(source, row(**unlike)) == []


def test_each_known_set_has_its_own_column():
    ((_, line),) = ours(
        OSS + "11", row("linear_crops", data="dtd"), row("linear_crops", {"top1": 80.0}, "stl10")
    )
    assert line.cells == ("", "", "", "60.0", "", "80.0")


def test_columns_of_epochs_take_a_run_of_as_many():
    minutes = blocks_of([row()])[0].cells["top1", Model("distilled", "mine", "resnet18")]
    ((_, line),) = ours(OSS + "16", row("linear_crops"), origin=Origin("400", minutes=minutes))
    assert line.cells == ("60.00", "", "60.0", "")
    assert ours(OSS + "16", row("linear_crops"), origin=Origin("12")) == []


def test_what_differs_is_said_in_words():
    ((_, line),) = ours(COMPRESS + "2", row(data="", size=64), origin=Origin("12", "runs/simclr.pth"))
    assert line.note == (
        "distilled, 1 seed, data: pets/val, 64 px, not 224, 12 epochs, not 130, "
        "teacher: runs/simclr.pth, not SwAV ResNet-50"
    )


def test_a_protocol_with_other_settings_says_so():
    said = {"linear_crops": {"epochs": 3, "lr": 0.3, "seed": 5, "milestones": [3, 6]}}
    ((_, line),) = ours(OSS + "9", row("linear_crops", settings=said))
    assert line.note == "distilled, 1 seed, the protocol's epochs 3, not 100"
    said = {"places_layers": {"epochs": 9, "milestones": [3, 6, 8], "dtype": "float32"}}
    ((_, line), *_) = ours(COMPRESS + "5", row("places_layers", {"best": 9.0}, "places205", settings=said))
    assert "the protocol's epochs 9, not 90, the protocol's milestones 3, 6, 8, not 30, 60, 80" in line.note
    said = {"linear": {"epochs": 40, "milestones": [15, 30]}, "knn": {"few_shot": ["1%"]}}
    ((_, line),) = ours(COMPRESS + "1", row(settings=said))
    assert line.note == "distilled, 1 seed, unknown epochs, not 130"


def test_what_does_not_differ_is_not_said():
    ((_, line),) = ours(COMPRESS + "2", row(init="random"))
    assert line.note == "random, 1 seed"


def test_a_part_of_a_known_set_is_no_known_set():
    """Any folder can lie where ImageNet is expected."""
    whole = {"train": {"images": 1281160, "unreadable": 7}, "val": {"images": 50000, "unreadable": 0}}
    part = {"train": {"images": 15000, "unreadable": 0}, "val": {"images": 2500, "unreadable": 0}}
    ((_, line),) = ours(COMPRESS + "1", row(settings=whole))
    assert "images" not in line.note
    ((_, line),) = ours(COMPRESS + "1", row(settings=part))
    assert "15,000 train images, not 1,281,167" in line.note


def test_two_sizes_are_two_lines():
    lines = [line for _, line in ours(COMPRESS + "2", row(), row(size=64, metrics={"top1": 40.0}))]
    assert sorted(line.cells[0] for line in lines) == ["40.0", "60.0"]


def test_a_protocol_published_under_another_name_says_so():
    ((_, line),) = ours(COMPRESS + "2", row("linear_crops"))
    assert "protocol: Linear classifier on augmented crops" in line.note


def test_a_table_that_the_paper_gives_as_a_figure_takes_ours():
    found = row("coco_lowshot_1k", {"bbox_AP50": 20.0, "segm_AP50": 18.0}, "coco")
    ((_, line),) = ours(OSS + "14", found)
    assert line.cells == ("20.0", "18.0", "", "")


def test_the_deviation_over_draws_of_few_labels_stands_where_the_paper_has_one():
    draws = {"1nn_1-shot": 20.0, "1nn_1-shot_std": 0.31, "1nn_1%": 30.0}
    ((_, line),) = ours(COMPRESS + "3", row("knn", draws))
    assert line.cells == ("20.0 ± 0.3", "30.0", "") and "± over draws of the labels" in line.note
    seeds = [row("knn", draws), row("knn", {**draws, "1nn_1-shot": 22.0}) | {"seed": 1}]
    ((_, line),) = ours(COMPRESS + "3", *seeds)
    assert line.cells[0] == "21.0 ± 1.4" and "2 seeds" in line.note and "draws" not in line.note


def test_what_networks_cost_stands_once_for_each():
    rows = [row(), row(init="random"), row(backbone="unknown")]
    ((_, line),) = ours(COMPRESS + "A1", *rows, origin=Origin(params=11.69, gmacs=1.81))[:1]
    assert (line.labels, line.cells) == (("ResNet-18",), ("1.81", "11.69"))
    assert ours(COMPRESS + "A1", *rows) == []


def test_another_reading_of_a_benchmark_has_its_own_line_and_says_so():
    rows = [row(f"coco_lowshot_1k{reading}", {"bbox_AP50": 20.0}, "coco") for reading in ("", "_syncbn")]
    lines = [line for _, line in ours(OSS + "14", *rows)]
    assert [line.cells[0] for line in lines] == ["20.0", "20.0"]
    assert ["protocol: " in line.note for line in lines] == [False, True]


@pytest.mark.parametrize("split", ["cub200_by_class", "cub200_by_image"])
def test_a_split_that_the_paper_does_not_name_is_named(split):
    found = row("retrieval", {"recall@1": 20.0}, split, backbone="alexnet_compress")
    ((_, line),) = ours(COMPRESS + "4", found)
    assert line.cells[0] == "20.0" and "data: CUB-200-2011" in line.note


def test_few_labels_stand_below_what_was_trained_with_them():
    found = row("small_label_finetune", {"top1_1%": 40.0}, backbone="resnet50")
    ((group, line),) = ours(COMPRESS + "6", found)
    assert (group, line.cells) == ("The whole network is trained", ("40.0", "", "", ""))


CONFIG = """
model = dict(teacher=dict(weights='/a/b/teacher.pth', output='head'), type='CompRess')
train_cfg = dict(max_epochs=12)
hooks = [dict(type='A', keys={'a': (1, 2)})]
rate = -0.1
"""


def test_a_written_config_is_read_without_running_it():
    assert settings(CONFIG)["hooks"] == [{"type": "A", "keys": {"a": [1, 2]}}]
    assert settings("import os\nx = os.system('true')") == {"x": {}}
    assert settings("not python(") == {}


def test_epochs_teacher_and_minutes_come_from_the_runs_of_a_model(tmp_path):
    rows = []
    for seed in range(2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / "last.pth").touch()
        (folder / "manifest.json").write_text(json.dumps({"config": CONFIG}))
        rows.append(row() | {"checkpoint": str(folder / "last.pth"), "training_seed": seed})
    runs = [Run(tmp_path / str(seed), {"config": CONFIG}, [], float(2 * seed + 1)) for seed in range(2)]
    (origin,) = origins(rows, runs).values()
    assert (origin.told("params"), origin.told("gmacs")) == ("11.69", "1.81")  # the paper counts 1.82
    assert (origin.epochs, origin.teacher, origin.told("minutes")) == ("12", "b/teacher.pth", "2.00 ± 1.41")


def test_minutes_an_epoch_are_its_steps_times_the_seconds_of_one():
    log = [
        {"time": 2.0, "epoch": 1, "step": 50},
        {"time": 4.0, "epoch": 2, "step": 120},
        {"acc": 1, "step": 2},
    ]
    assert epoch_minutes(log) == 60 * 3.0 / 60  # 60 steps an epoch, 3 seconds each on average
    assert epoch_minutes([{"time": 1.0, "step": 5}]) is None
