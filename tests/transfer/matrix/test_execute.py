"""A whole matrix by the command line: killed, taken up again, with a cell that fails.

A framework that trains nothing (``stairs/``) stands in a copy of the project, as one is added: the tool and
its jobs are the real ones.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from distill.backbones import create_backbone
from distill.checkpoints import save_student
from distill.demo.world import write_demo

ROOT = Path(__file__).resolve().parents[3]
TESTED = 2  # scenes
STAIRS = Path(__file__).parent / "stairs"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project whose only framework that trains has three benchmarks; data for two of them."""
    copy = tmp_path_factory.mktemp("project")
    for part in ("distill", "transfer", "tools"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(STAIRS / "framework", copy / "transfer/frameworks/stairs")
    shutil.copytree(STAIRS / "benchmarks", copy / "configs/transfer/stairs")
    write_demo(copy / "data", n_classification=(10, 10), n_scenes=(4, TESTED))
    shutil.rmtree(copy / "data/coco")
    torch.manual_seed(0)
    student = create_backbone("test_resnet")
    save_student(copy / "pupil.pth", student, "test_resnet", (0.5,) * 3, (0.25,) * 3, 32)
    return copy


def tool(project: Path, *options: object) -> subprocess.Popen:
    command = [project / "tools/run_transfer.sh", "all", "pupil.pth", "--gpus", 0, *options]
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(project)}
    return subprocess.Popen(
        [str(word) for word in command],
        cwd=project, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_killed_matrix_goes_on_and_a_failed_cell_does_not_stop_the_others(project):
    work = project / "work_dirs/transfer"
    first = tool(project, "--benchmarks", "stairs_of_stone", "--init", "distilled")
    reached = work / "stairs_of_stone/pupil/seed_0/last_checkpoint"
    deadline = time.monotonic() + 200
    while not (reached.exists() and int(reached.read_text()) >= 5):
        assert first.poll() is None and time.monotonic() < deadline, first.communicate()
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()  # returns when no process holds its output any more
    stood = int(reached.read_text())
    assert stood < 150 and not (work / "results.jsonl").exists()

    second = tool(project)
    said, error = second.communicate(timeout=400)
    assert second.returncode == 2, "a cell failed"
    log = work / "stairs_of_wood/random-test_resnet/seed_0/train.log"
    reason = f"the last stair is missing; log: {log}"
    wrong = f"stairs_of_wood random-test_resnet seed 0 failed (exit code 2): {reason}"
    assert error == f"error: {wrong}\n" and f"failed: {wrong}" in said
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "plan: 4 runs in 4 cells, 4 to make, one after the other on the CPU" in lines
    missing = "left out: stairs_of_sand: no annotation file of train in COCO's format in data: looked for"
    assert any(line.startswith(missing) for line in lines)
    assert "stairs_of_stone pupil (distilled) 0 150 nothing, seed 0 begun unknown" in lines
    resumed = next(int(line.split()[-1]) for line in lines if line.startswith("continuing from"))
    assert stood <= resumed < 150
    assert lines[lines.index("benchmark metric pupil (distilled) random-test_resnet (random)") + 1 :][:2] == [
        "stairs_of_stone height 10.00 10.00",
        "stairs_of_wood height 10.00 failed",
    ]
    assert lines[-1].startswith("report: python tools/report.py work_dirs/transfer/results.jsonl --out")
    rows = [json.loads(line) for line in (work / "results.jsonl").read_text().splitlines()]
    assert [(row["task"], row["init"], row["settings"]["resumed_from"]) for row in rows] == [
        ("stairs_of_stone", "distilled", resumed),
        ("stairs_of_stone", "random", 0),
        ("stairs_of_wood", "distilled", 0),
    ]
    assert all(row["details"] == {"test_images": TESTED} for row in rows)
