"""What a plan says before anything runs: what is there, what is missing, what it costs."""

import os
import shutil
from dataclasses import replace

import pytest

from distill import results
from distill.demo.world import write_demo
from distill.errors import UserError
from transfer.frameworks import FRAMEWORKS
from transfer.jobs.launch import RESULT
from transfer.matrix.cost import check_space
from transfer.matrix.plan import Plan, make_plan
from transfer.matrix.show import plan_lines, table
from transfer.run import main, parser

pytest.importorskip("mmseg", reason="MMSegmentation is not installed: its benchmarks cannot be filled")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Data for voc12_seg alone."""
    demo = write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(4, 2))
    root = tmp_path_factory.mktemp("data")
    shutil.copytree(demo / "voc/VOCdevkit/VOC2012", root / "VOC2012")
    return root


@pytest.fixture
def command(data, tmp_path):
    return ["all", "test_resnet", "--init", "random", "--data-root", str(data), "--gpus", "0", "--seeds", "2",
        "--work-dir", str(tmp_path)]  # fmt: skip


def plan_of(command: list[str], *more: object) -> Plan:
    return make_plan(parser().parse_args([*command, *map(str, more)]))


def lines_of(plan: Plan) -> list[str]:
    disk = check_space([run for _, run in plan.waiting], plan.work_dir)
    return [" ".join(line.split()) for line in plan_lines(plan, disk)]


def finish(run, metrics: float, seconds: float) -> dict:
    """What a run leaves that is done."""
    (run.save().parent / RESULT).write_text("{}")
    row = results.make_row(
        run.job.benchmark, run.job.initial.label, run.job.initial.init, run.job.initial.arch, run.job.seed,
        {"mIoU": metrics}, "", "", {**run.settings, "resumed_from": 0}, seconds,
    )  # fmt: skip
    results.append(run.folder.parents[2] / "results.jsonl", row)
    return row


def test_what_is_missing_is_left_out_and_named(command, monkeypatch):
    absent = replace(FRAMEWORKS["detectron2"], modules=("no_such_module",))
    monkeypatch.setitem(FRAMEWORKS, "detectron2", absent)
    plan = plan_of(command)
    assert [cell.name for cell in plan.cells] == ["voc12_seg random-test_resnet"]
    said = lines_of(plan)
    assert any(
        line.startswith("left out: voc07_det: voc07_det needs Detectron2: no_such_module is not installed;")
        for line in said
    )
    (missing,) = (line for line in said if "in COCO's format" in line)
    assert missing.startswith("left out: coco_lowshot_10k, coco_lowshot_10k_syncbn, coco_lowshot_1k, ")
    assert "looked for annotations/instances_train2017.json" in missing
    (missing,) = (line for line in said if "no Cityscapes data" in line)
    assert "cityscapes_seg: no Cityscapes" in missing, "VOC's masks are those of another benchmark"
    assert "looked for leftImg8bit/train, leftImg8bit/val, gtFine/train, gtFine/val" in missing
    assert "plan: 2 runs in 1 cell, 2 to make, one after the other on the CPU" in said
    assert "voc12_seg random-test_resnet (random) 0 1 80000 nothing unknown" in said
    assert "time: unknown, as no run of the kind is finished" in said
    assert said[-1].startswith("disk: at least ")


def test_nothing_that_can_run_is_an_error(command):
    with pytest.raises(
        UserError, match="^nothing can run: no annotation file of train in COCO's format[^;]*$"
    ):
        plan_of(command, "--benchmarks", "coco_lowshot_10k,coco_lowshot_1k")
    with pytest.raises(UserError, match="^no annotation file of train in COCO's format"):
        plan_of(["coco_lowshot_1k", *command[1:]])
    with pytest.raises(UserError, match="unknown benchmark 'voc13'"):
        plan_of(command, "--benchmarks", "voc13")
    with pytest.raises(UserError, match="--benchmarks chooses among all"):
        plan_of(["coco_det", *command[1:]], "--benchmarks", "coco_det")


def test_starts_without_weights_end_before_anything_is_made(command, tmp_path):
    with pytest.raises(UserError, match="supervised=FILE"):
        plan_of(["all", "alexnet_compress", *command[2:]], "--init", "random", "supervised")
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_made_again_and_tells_the_cost(command, tmp_path):
    first, second = plan_of(command).cells[0].runs
    finish(first, 10.0, seconds=90.0)
    second.save()
    (second.folder / "last_checkpoint").write_text("iter_1000.pth")
    plan = plan_of(command, "--init", "random", "random", "--label", "random-test_resnet", "b")
    cell, other = plan.cells
    assert cell.rows.keys() == {0} and cell.waiting == [second]
    assert len(other.waiting) == 2
    said = lines_of(plan)
    assert "voc12_seg random-test_resnet (random) 0 1 80000 1 row, seed 1 begun 90 s" in said
    assert "time: about 0:04:30" in said, "three runs, one after the other"
    assert said[-1].startswith("disk: about "), "as large as the finished one"


def test_the_table_is_mean_and_sample_deviation_of_the_headline(command):
    plan = plan_of(command, "--init", "random", "random", "--label", "a", "b")
    rows = {
        ("voc12_seg a", 0): {"metrics": {"aAcc": 90.0, "mIoU": 10.0}},
        ("voc12_seg a", 1): {"metrics": {"aAcc": 90.0, "mIoU": 12.0}},
        ("voc12_seg b", 1): {"metrics": {"aAcc": 90.0, "mIoU": 7.0}},
    }
    assert table(plan, rows) == [
        "  benchmark  metric  a (random)    b (random)",
        "  voc12_seg  mIoU    11.00 ± 1.41  7.00 (1 of 2 seeds)",
    ]
    assert table(plan, {})[1].split() == ["voc12_seg", "mIoU", "failed", "failed"]


def test_a_folder_of_another_run_is_a_cell_that_cannot_run(command, tmp_path):
    plan_of(command).cells[0].runs[0].save()
    plan = plan_of(
        command, "--max-steps", "7", "--init", "random", "random", "--label", "random-test_resnet", "b"
    )
    assert "holds a run with another" in plan.cells[0].problem and not plan.cells[1].problem
    assert [cell.name for cell, _ in plan.waiting] == ["voc12_seg b"] * 2
    assert any(line.startswith("cannot run: voc12_seg random-test_resnet: ") for line in lines_of(plan))


def test_too_little_room_is_named_before_anything_runs(command, tmp_path):
    first, second = plan_of(command).cells[0].runs
    finish(first, 10.0, seconds=90.0)
    os.truncate(first.folder / RESULT, 2 * shutil.disk_usage(tmp_path).free)  # a hole, which takes no room
    with pytest.raises(UserError, match=r"the checkpoints need about .*B, and .*B free: make room for"):
        main([*command])
    assert not second.folder.exists()


def test_a_dry_run_ends_with_the_plan(command, tmp_path, capsys):
    main([*command, "--dry-run"])
    assert "disk: at least" in capsys.readouterr().out.splitlines()[-1]
    assert not (tmp_path / "voc12_seg").exists()
