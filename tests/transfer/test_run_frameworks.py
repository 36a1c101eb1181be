"""Each benchmark once for real, on the CPU: a few steps on tiny pictures, killed and resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import transfer.run
from distill import results
from distill.demo.world import write_demo
from transfer.benchmark import find_benchmark

ROOT = Path(__file__).resolve().parents[2]
METRICS = {
    "voc07_det": {"AP", "AP50", "AP75", "AP_area", "AP50_area", "AP75_area"},
    "coco_lowshot_1k": {f"{kind}_{name}" for kind in ("bbox", "segm") for name in ("AP", "AP50", "AP75")},
    "voc12_seg": {"mIoU", "aAcc", "mAcc"},
    "cityscapes_seg": {"mIoU", "aAcc", "mAcc"},
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(30, 2))


def arguments(benchmark, demo, work_dir, *options):
    framework = find_benchmark(benchmark).framework
    pytest.importorskip(framework, reason=f"{framework} is not installed: see docs/transfer.md")
    split = ("--split-size", "2") if benchmark.startswith("coco") else ()
    given = ("--smoke", "--init", "random", "--gpus", "0", "--image-size", "64", "--batch-size", "2")
    return [
        *(benchmark, "regnetx_002", *given, *split, "--data-root", str(demo), "--work-dir", str(work_dir)),
        *options,
    ]


@pytest.fixture
def run(capfd):
    """Runs the benchmark, whose jobs are processes of their own, and returns what all have said."""

    def run(*options):
        transfer.run.main(arguments(*options))
        return capfd.readouterr().out

    return run


@pytest.mark.parametrize("benchmark", ["cityscapes_seg", "coco_lowshot_1k"])
def test_a_run_ends_in_a_row(benchmark, demo, tmp_path, run):
    said = run(benchmark, demo, tmp_path, "--max-steps", "3")
    assert "--max-steps 3" in said and "schedule, final: batch 2" in said
    (row,) = results.read(tmp_path / "results.jsonl")
    assert (row["task"], row["init"], row["backbone"], row["seed"]) == (benchmark, "random", "regnetx_002", 0)
    assert set(row["metrics"]) == METRICS[benchmark]
    assert all(0 <= value <= 100 for value in row["metrics"].values())


def trained(work_dir, benchmark) -> dict:
    """The weights that a run of 30 steps ends with."""
    folder = work_dir / benchmark / "random-regnetx_002/seed_0"
    last = torch.load(folder / Path((folder / "last_checkpoint").read_text()).name, weights_only=False)
    return last["model"] if "model" in last else last["state_dict"]


@pytest.mark.parametrize("benchmark", ["voc07_det", "voc12_seg"])
def test_a_killed_run_ends_as_one_that_nobody_killed(benchmark, demo, tmp_path, run):
    whole = tmp_path / "whole"
    run(benchmark, demo, whole, "--max-steps", "30")
    killed = tmp_path / "killed"
    options = (benchmark, demo, killed, "--max-steps", "30")
    command = [sys.executable, "-m", "transfer.run", *arguments(*options)]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    folder = killed / benchmark / "random-regnetx_002/seed_0"
    deadline = time.monotonic() + 400
    while not (folder / "last_checkpoint").exists():
        assert first.poll() is None and time.monotonic() < deadline, "ended before its first checkpoint"
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (killed / "results.jsonl").exists()
    assert "continuing from" in run(*options)
    (row,), (other,) = (results.read(each / "results.jsonl") for each in (killed, whole))
    assert (row["settings"]["resumed_from"], other["settings"]["resumed_from"]) == (25, 0)
    assert set(row["metrics"]) == METRICS[benchmark] and row["metrics"] == other["metrics"]
    ours, theirs = trained(killed, benchmark), trained(whole, benchmark)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert "seed 0: skipped" in run(*options)


@pytest.mark.parametrize("benchmark", ["voc07_det", "voc12_seg"])
def test_a_folder_that_vanishes_ends_it_in_one_line_and_is_not_made_again(benchmark, demo, tmp_path):
    work_dir = tmp_path / "runs"
    given = arguments(benchmark, demo, work_dir, "--max-steps", "900")
    run = subprocess.Popen(
        [sys.executable, "-m", "transfer.run", *given],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 400
    while not list(work_dir.glob("*/*/seed_0/last_checkpoint")):
        assert run.poll() is None and time.monotonic() < deadline, "ended before its first checkpoint"
        time.sleep(0.05)
    work_dir.rename(tmp_path / "elsewhere")
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 2
    said = f"no such file or folder: {work_dir}; was it removed or renamed meanwhile?"
    assert errors.strip() == f"error: {said}" and not work_dir.exists()
