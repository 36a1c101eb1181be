"""Each benchmark once for real, on the CPU: a few steps on tiny pictures, killed and resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("benchmark", ["voc07_det", "voc12_seg"])
def test_a_killed_run_continues_from_its_checkpoint(benchmark, demo, tmp_path, run):
    options = (benchmark, demo, tmp_path, "--max-steps", "30")
    command = [sys.executable, "-m", "transfer.run", *arguments(*options)]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    folder = tmp_path / benchmark / "random-regnetx_002/seed_0"
    deadline = time.monotonic() + 400
    while not (folder / "last_checkpoint").exists():
        assert first.poll() is None and time.monotonic() < deadline, "ended before its first checkpoint"
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (tmp_path / "results.jsonl").exists()
    said = run(*options)
    assert "continuing from" in said
    (row,) = results.read(tmp_path / "results.jsonl")
    assert row["settings"]["resumed_from"] == 25
    assert set(row["metrics"]) == METRICS[benchmark]
    assert "seed 0: skipped" in run(*options)
