"""The command line and the list of runs, up to the point where a framework would train."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from distill import results
from distill.demo.world import write_demo
from distill.errors import UserError
from transfer import run
from transfer.benchmark import find_benchmark
from transfer.datasets.find import Data, find_data
from transfer.frameworks import Framework
from transfer.jobs import launch
from transfer.jobs.initial import Initial, name_of, read_initial
from transfer.jobs.job import Filled, load, make_run
from transfer.jobs.schedule import Schedule
from transfer.matrix.choices import parse_seeds, parse_split_size
from transfer.matrix.execute import execute
from transfer.matrix.plan import Cell, Plan, find_row, make_jobs
from transfer.matrix.show import summary

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(10, 2))


def run_tool(*arguments):
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [ROOT / "tools/run_transfer.sh", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def some_jobs(work_dir, *options, name="voc12_seg", seeds=(0,), data=None):
    initial = Initial("random", "random-resnet18", "resnet18", "", "", (0.5,) * 3, (0.2,) * 3)
    data = data or Data("voc_masks", "data", ("ground", "cat"), ("",), 100, 20)
    given = run.parser().parse_args([name, "resnet18", "--work-dir", str(work_dir), *options])
    return make_jobs(find_benchmark(name), given, {}, initial, data, list(seeds), gpus=0)


def fill(job):
    """Stands for a framework's: the run is 100 steps unless the user wants fewer."""
    schedule = Schedule(batch=16, lr=0.02, steps=job.max_steps or 100)
    text = f"folder = {job.folder!r}\nworkers = {job.workers}\nrate = {job.options.get('rate', 1)}\n"
    return Filled("config.py", text, schedule, ("said",))


def some_run(work_dir, **changes):
    (job,) = some_jobs(work_dir)
    return make_run(replace(job, **changes), fill)


def test_the_tool_is_a_thin_script():
    shown = run_tool("--help")
    assert shown.returncode == 0 and "--init START [START ...]" in shown.stdout


def test_the_help_waits_for_no_heavy_import():
    code = (
        "import sys, transfer.run\n"
        "transfer.run.parser().format_help()\n"
        "heavy = {'torch', 'numpy', 'PIL', 'mmengine', 'timm'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_it_runs_the_project_that_a_linked_tool_is_of(tmp_path):
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$PYTHONPATH"\n')
    python.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(python)}
    command = ["/bin/sh", tmp_path / "tools/run_transfer.sh"]
    assert subprocess.check_output(command, env=environment, text=True).strip() == str(ROOT)


@pytest.mark.parametrize(
    ("given", "init"),
    [
        ("voc12_seg last.pth --gpus 0", None),
        ("voc12_seg --gpus 0 last.pth", None),
        ("voc12_seg last.pth --init random teacher", ["random", "teacher"]),
        ("voc12_seg --init random last.pth", ["random"]),
        ("--init random teacher --gpus 0 voc12_seg last.pth", ["random", "teacher"]),
    ],
)
def test_the_checkpoint_may_stand_anywhere(given, init):
    options = run.parse(given.split())
    assert (options.benchmark, options.checkpoint, options.init) == ("voc12_seg", "last.pth", init)


@pytest.mark.parametrize("given", ["voc12_seg", "voc12_seg --init random"])
def test_a_missing_checkpoint_is_named(given, capsys):
    with pytest.raises(SystemExit, match="2"):
        run.parse(given.split())
    assert "the following arguments are required: CHECKPOINT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("voc12", "resnet18"), "unknown benchmark 'voc12'; did you mean 'voc12_seg'?"),
        (("voc12_seg", "missing.pth", "--gpus", 0), "no such checkpoint file: missing.pth"),
        (("voc12_seg", "resnet18", "--init", "random", "--data-root", "nowhere", "--gpus", 0), "nowhere"),
        (("voc12_seg", "resnet19", "--init", "random"), "resnet19"),
        (("voc12_seg", "resnet18", "--init", "random", "--gpus", 99), "--gpus 99: this machine has"),
        (
            ("voc12_seg", "resnet18", "--split-size", 5),
            "--split-size: voc12_seg has no splits; coco_lowshot_10k",
        ),
        (
            ("coco_lowshot_1k", "resnet18", "--split-size", "nine"),
            "--split-size nine: give a number of images",
        ),
        (("voc12_seg", "resnet18", "--cfg-options", "lr"), "--cfg-options 'lr': write KEY=VALUE"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments, said, tmp_path, monkeypatch):
    # In process for speed; the line itself is `run_cli`'s.
    monkeypatch.setattr(Framework, "check_installed", lambda self, wanted_by: None)
    with pytest.raises(UserError) as caught:
        run.main([*map(str, arguments), "--work-dir", str(tmp_path)])
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "results.jsonl").exists()


def test_a_mistake_in_the_shell():
    shown = run_tool("voc12", "resnet18")
    assert shown.returncode == 2
    assert shown.stderr.count("\n") == 1 and shown.stderr.startswith("error: unknown benchmark 'voc12'")


def test_an_option_is_written_out():
    shown = run_tool("voc12_seg", "resnet18", "--lab", "mine")
    assert shown.returncode == 2 and "unrecognized arguments: --lab mine" in shown.stderr


def test_seeds_are_a_number_or_a_list():
    assert parse_seeds(None, 5) == [0, 1, 2, 3, 4]
    assert parse_seeds([2], 5) == [0, 1]
    assert parse_seeds([3, 7], 5) == [3, 7]
    assert parse_seeds(None, 5, alone=3) == [3]
    with pytest.raises(UserError, match="--seed is one seed"):
        parse_seeds([2], 5, alone=3)
    for wrong in ([0], [3, 3], [-1, 2]):
        with pytest.raises(UserError, match="--seeds"):
            parse_seeds(wrong, 5)


def test_split_sizes():
    lowshot, whole = find_benchmark("coco_lowshot_1k"), find_benchmark("voc12_seg")
    assert parse_split_size("9", lowshot) == 9
    assert parse_split_size(None, lowshot) == 1_000
    assert parse_split_size("all", lowshot) is None
    assert parse_split_size(None, whole) is None


def test_rows_are_called_after_the_checkpoint():
    assert name_of("work_dirs/compress_1q_resnet18/last.pth") == "compress_1q_resnet18"
    assert name_of("runs/seed/epoch_12.pth") == "seed"
    assert name_of("weights/moco_v2.pth.tar") == "moco_v2"
    assert name_of("weights/deit.pth::model_ema") == "deit model_ema"


def test_random_needs_only_an_architecture():
    initial = read_initial("resnet10t", "random")
    assert (initial.init, initial.label, initial.weights) == ("random", "random-resnet10t", "")


def test_every_seed_has_its_split_and_folder(demo, tmp_path):
    data = find_data("coco", str(demo), None, 2, tmp_path / "splits")
    jobs = some_jobs(tmp_path, name="coco_lowshot_1k", seeds=(0, 3, 5), data=data)
    assert [Path(job.annotations).name for job in jobs] == [
        *("instances_2_fold0.json", "instances_2_fold3.json", "instances_2_fold0.json")
    ]
    assert Path(jobs[1].folder) == tmp_path / "coco_lowshot_1k/random-resnet18/seed_3"


def test_all_of_the_data_instead_of_a_split(demo, tmp_path):
    data = find_data("coco", str(demo), None, None, tmp_path)
    assert data.train_images == 10 and data.annotations[0].endswith("instances_train2017.json")
    assert not list(tmp_path.iterdir())


def test_a_job_is_read_as_it_was_written(tmp_path):
    (job,) = some_jobs(tmp_path, "--crop-size", "8", "9")
    path = make_run(job, fill).save()
    assert load(path) == job
    assert (path.parent / "config.py").read_text() == fill(job).text


def test_the_settings_of_a_run_are_what_shapes_its_result(tmp_path):
    first = some_run(tmp_path / "a").settings
    assert first == some_run(tmp_path / "b", workers=7).settings, "folder and workers do not"
    other = some_run(
        tmp_path, initial=Initial("distilled", "run", "resnet34", "a.pth", "abc", (0.5,) * 3, (0.2,) * 3)
    )
    assert (
        other.settings["arch"] != first["arch"] and other.settings["config_sha256"] == first["config_sha256"]
    )
    assert first["schedule"]["steps"] == 100 and first["frozen"] == []
    assert first["config_sha256"] != some_run(tmp_path, options={"rate": 2}).settings["config_sha256"]


def test_a_folder_with_other_settings_is_not_resumed(tmp_path):
    some_run(tmp_path).save()
    some_run(tmp_path, workers=7).save()
    with pytest.raises(
        UserError, match=r"holds a run with another options \({} there, .*--work-dir or --label"
    ):
        some_run(tmp_path, options={"rate": 2}).save()


def test_a_folder_of_an_earlier_version_is_not_resumed(tmp_path):
    run_ = some_run(tmp_path)
    run_.folder.mkdir(parents=True)
    (run_.folder / "job.json").write_text('{"benchmark": "voc12_seg", "weight_decay": 0.1}')
    with pytest.raises(UserError, match="holds a run with another benchmark"):
        run_.save()


def plan_of(run_, rows=()):
    """A plan of this one run, and of what ``rows`` say of it."""
    benchmark, job = find_benchmark("voc12_seg"), run_.job
    known = {row["seed"]: row for row in rows if find_row(run_, [row])}
    cell = Cell(benchmark, job.initial, (job.seed,), (run_,), known)
    return Plan((cell,), {}, ((),), run_.folder.parents[2])


def test_a_seed_with_a_row_is_skipped(tmp_path, capsys):
    run_ = some_run(tmp_path)
    row = results.make_row(
        "voc12_seg", "random-resnet18", "random", "resnet18", 0, {"mIoU": 12.5}, "", "", run_.settings, 1.0
    )
    execute(plan_of(run_, [row]))
    said = capsys.readouterr().out
    assert "seed 0: skipped" in said and "voc12_seg, random-resnet18 (random), 1 seed: mIoU 12.50" in said
    assert not (tmp_path / "results.jsonl").exists()
    assert find_row(some_run(tmp_path, options={"rate": 2}), [row]) is None


def test_a_result_without_a_row_gets_one(tmp_path):
    """The process was killed after a run and before its row: nothing is trained again."""
    run_ = some_run(tmp_path)
    outcome = {"metrics": {"mIoU": 3.0}, "resumed_from": 0, "seconds": 2.0}
    (run_.save().parent / launch.RESULT).write_text(json.dumps(outcome))
    execute(plan_of(run_))
    (row,) = results.read(tmp_path / "results.jsonl")
    assert (
        row["metrics"] == {"mIoU": 3.0} and row["seed"] == 0 and row["settings"]["schedule"]["steps"] == 100
    )
    title = find_benchmark("voc12_seg").title
    assert (row["title"], row["kind"], row["headline"]) == (title, "transfer", "mIoU")


def test_a_failing_run_names_its_reason_and_its_log(tmp_path):
    pytest.importorskip("mmseg", reason="MMSegmentation is not installed: see docs/transfer.md")
    run_ = some_run(tmp_path)  # no config of MMSegmentation
    with pytest.raises(UserError, match=r"resnet18 seed 0 failed \(exit code 1\): .*train.log"):
        execute(plan_of(run_))
    assert not (run_.folder / launch.RESULT).exists()


def test_the_summary_is_mean_and_sample_deviation():
    rows = [{"task": "t", "label": "l", "init": "i", "metrics": {"AP": value}} for value in (10.0, 12.0)]
    assert summary(rows) == "t, l (i), 2 seeds: AP 11.00 ± 1.41"
