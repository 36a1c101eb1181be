"""The command line and the plan of runs, up to the point where a framework would train."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from transfer.benchmarks import ImageSize, get_protocol

from distill import results
from distill.demo.world import write_demo
from distill.errors import UserError
from transfer import run
from transfer.jobs import launch, make
from transfer.jobs.job import load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(10, 2))


def run_tool(*arguments):
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [ROOT / "tools/run_transfer.sh", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def some_job(work_dir, name="voc07_det", seed=0, **changes):
    protocol = get_protocol(name)
    initial = make.Initial("random", "random-resnet18", "resnet18", "", "", (0.5,) * 3, (0.2,) * 3)
    data = make.Data("data", ("cat", "dog"), ("",), 100)
    schedule, _ = make.make_schedule(protocol, 100, gpus=0, batch=None, max_steps=100)
    (job,) = make.make_jobs(protocol, initial, data, schedule, [seed], 0, 0, work_dir)
    return replace(job, **changes), initial


def test_the_tool_is_a_thin_script():
    shown = run_tool("--help")
    assert shown.returncode == 0 and "--init {distilled,random,FILE}" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("voc07", "resnet18"), "unknown benchmark 'voc07'; did you mean 'voc07_det'?"),
        (("voc12_seg", "missing.pth", "--gpus", 0), "no such checkpoint file: missing.pth"),
        (("voc12_seg", "resnet18", "--init", "random", "--data-root", "nowhere", "--gpus", 0), "nowhere"),
        (("voc12_seg", "resnet19", "--init", "random"), "resnet19"),
        (("voc12_seg", "resnet18", "--init", "random", "--gpus", 99), "--gpus 99: this machine has"),
        (("voc12_seg", "resnet18", "--split-size", 5), "--split-size: voc12_seg has no splits"),
        (("voc07_det", "resnet18", "--output-stride", 8), "--output-stride: voc07_det has none"),
        (("voc07_det", "resnet18", "--crop-size", 8, 8), "--crop-size: detection trains on whole pictures"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments, said, tmp_path, monkeypatch):
    # In process for speed; the line itself is `run_cli`'s.
    monkeypatch.setattr(run, "_check_installed", lambda protocol: None)
    with pytest.raises(UserError) as caught:
        run.main([*map(str, arguments), "--work-dir", str(tmp_path)])
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "results.jsonl").exists()


def test_a_mistake_in_the_shell():
    shown = run_tool("voc07", "resnet18")
    assert shown.returncode == 2
    assert shown.stderr.count("\n") == 1 and shown.stderr.startswith("error: unknown benchmark 'voc07'")


def test_seeds_are_a_number_or_a_list():
    assert run.parse_seeds(None, 5) == [0, 1, 2, 3, 4]
    assert run.parse_seeds([2], 5) == [0, 1]
    assert run.parse_seeds([3, 7], 5) == [3, 7]
    for wrong in ([0], [3, 3], [-1, 2]):
        with pytest.raises(UserError, match="--seeds"):
            run.parse_seeds(wrong, 5)


def test_split_sizes():
    assert (run.parse_split_size("9"), run.parse_split_size("all")) == (9, 0)
    with pytest.raises(UserError, match="--split-size nine"):
        run.parse_split_size("nine")


def test_smoke_changes_only_what_it_names():
    protocol = run.adapt(get_protocol("voc12_seg"), run.parser().parse_args(["voc12_seg", "x", "--smoke"]))
    assert protocol.schedule.steps < 1_000 and protocol.model["channels"] == 128
    assert get_protocol("voc12_seg").schedule.steps == 20_000


def test_rows_are_called_after_the_checkpoint():
    assert make.name_of("work_dirs/compress_1q_resnet18/last.pth") == "compress_1q_resnet18"
    assert make.name_of("runs/seed/epoch_12.pth") == "seed"
    assert make.name_of("weights/moco_v2.pth.tar") == "moco_v2"


def test_random_needs_only_an_architecture():
    initial = make.read_initial("resnet10t", "random")
    assert (initial.init, initial.label, initial.weights) == ("random", "random-resnet10t", "")


def test_a_device_takes_the_published_number_of_images():
    protocol = get_protocol("voc07_det")
    schedule = protocol.schedule
    assert make.batch_size(schedule, 2, gpus=0, wanted=None) == 2
    assert make.batch_size(schedule, 2, gpus=4, wanted=None) == 8
    assert make.batch_size(schedule, 2, gpus=16, wanted=None) == 16  # never more than published
    assert make.batch_size(schedule, 2, gpus=1, wanted=16) == 16
    with pytest.raises(UserError, match="--batch-size 5 cannot be shared by 2 GPUs"):
        make.batch_size(schedule, 2, gpus=2, wanted=5)


def test_low_shot_epochs_are_told_in_steps():
    schedule, lines = make.make_schedule(get_protocol("coco_lowshot_1k"), 1_000, 1, None, None)
    assert lines[0] == "schedule:        740 epochs of 1000 images, in steps:"
    assert schedule.batch == 4 and schedule.steps == 185_000 and schedule.lr == 0.005


def test_picture_sizes_follow_the_shorter_side():
    det, seg = get_protocol("voc07_det").size, get_protocol("cityscapes_seg").size
    assert make.resized(det, 240, None) == ImageSize((240,), 240, 400)
    assert make.resized(seg, 180, None) == ImageSize((180,), 180, 360, (180, 180))
    assert make.resized(seg, 180, (180, 240)).crop == (180, 240)
    assert make.resized(seg, None, None) == seg


def test_every_seed_has_its_split_and_folder(demo, tmp_path):
    protocol = replace(get_protocol("coco_lowshot_1k"), split_size=2)
    data = make.find_data(protocol, str(demo), None, 2, tmp_path / "splits")
    _, initial = some_job(tmp_path)
    schedule, _ = make.make_schedule(protocol, 2, 0, None, None)
    jobs = make.make_jobs(protocol, initial, data, schedule, [0, 3, 5], 0, 0, tmp_path)
    assert [Path(job.annotations).name for job in jobs] == [
        *("instances_2_fold0.json", "instances_2_fold3.json", "instances_2_fold0.json")
    ]
    assert Path(jobs[1].folder) == tmp_path / "coco_lowshot_1k/random-resnet18/seed_3"


def test_all_of_the_data_instead_of_a_split(demo, tmp_path):
    data = make.find_data(get_protocol("coco_lowshot_10k"), str(demo), None, 0, tmp_path)
    assert data.train_images == 10 and data.annotations[0].endswith("instances_train2017.json")
    assert not list(tmp_path.iterdir())


def test_a_job_is_read_as_it_was_written(tmp_path):
    for name in ("voc07_det", "voc12_seg"):
        job, _ = some_job(tmp_path, name)
        assert load(job.save()).settings() == job.settings()


def test_a_folder_with_other_settings_is_not_resumed(tmp_path):
    job, _ = some_job(tmp_path)
    job.save()
    replace(job, workers=7).save()  # does not shape the result
    with pytest.raises(UserError, match="holds a run with another weight_decay .*--work-dir or --label"):
        replace(job, weight_decay=0.5).save()


def test_a_seed_with_a_row_is_skipped(tmp_path, capsys):
    job, initial = some_job(tmp_path)
    path = tmp_path / "results.jsonl"
    row = results.make_row(
        "voc07_det", initial.label, "random", "resnet18", 0, {"AP": 12.5}, "", "", job.settings(), 1.0
    )
    results.append(path, row)
    assert run.run_seed(job, initial, path)["metrics"] == {"AP": 12.5}
    assert "seed 0: skipped" in capsys.readouterr().out
    assert len(results.read(path)) == 1


def test_a_result_without_a_row_gets_one(tmp_path):
    """The process was killed after a run and before its row: nothing is trained again."""
    job, initial = some_job(tmp_path)
    folder = job.save().parent
    outcome = {"metrics": {"AP": 3.0}, "resumed_from": 0, "seconds": 2.0}
    (folder / launch.RESULT).write_text(json.dumps(outcome))
    row = run.run_seed(job, initial, tmp_path / "results.jsonl")
    assert row["metrics"] == {"AP": 3.0} and row["seed"] == 0 and row["settings"]["schedule"]["steps"] == 100


def test_a_failing_run_names_its_reason_and_its_log(tmp_path):
    job, _ = some_job(tmp_path, framework="mmseg", data_root=str(tmp_path / "gone"))
    pytest.importorskip("mmseg", reason="MMSegmentation is not installed: see docs/transfer.md")
    with pytest.raises(UserError, match=r"seed 0 failed \(exit code 2\): .*gone.*train.log"):
        launch.launch(job)
    assert not (Path(job.folder) / launch.RESULT).exists()


def test_the_summary_is_mean_and_sample_deviation():
    rows = [{"task": "t", "label": "l", "init": "i", "metrics": {"AP": value}} for value in (10.0, 12.0)]
    assert run.summary(rows) == "t, l (i), 2 seeds: AP 11.00 ± 1.41"
