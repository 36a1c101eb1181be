"""A framework is added as one folder: every tool finds the one in ``toy/``, and no other file changes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from distill.backbones import create_backbone
from distill.checkpoints import save_student

ROOT = Path(__file__).resolve().parents[3]
TOY = Path(__file__).parent / "toy"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with the toy framework's folder, its benchmarks and its package in it."""
    copy = tmp_path_factory.mktemp("project")
    for part in ("distill", "transfer", "tools", "configs"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOY / "framework", copy / "transfer/frameworks/toy")
    shutil.copytree(TOY / "benchmarks", copy / "configs/transfer/toy")
    shutil.copy(TOY / "toy.py", copy)
    return copy


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("student") / "student.pth"
    save_student(path, create_backbone("test_resnet"), "test_resnet", (0.5,) * 3, (0.25,) * 3, 32)
    return path


def run(project: Path, *command: object) -> str:
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(project)}
    done = subprocess.run(
        [str(part) for part in command], cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_benchmark_runs_to_a_row(project, checkpoint):
    said = run(project, project / "tools/run_transfer.sh", "toy_colours", checkpoint, "--smoke", "--gpus", 0)
    assert "toy_colours: Toy, CPU; " in said and "toy_colours, student (" in said
    (row,) = map(json.loads, (project / "work_dirs/transfer/results.jsonl").read_text().splitlines())
    assert (row["task"], row["title"]) == ("toy_colours", "Mean colour of random pictures")
    assert row["settings"]["schedule"]["steps"] == 3 and 0 < row["metrics"]["toyness"] < 100


def test_a_checkpoint_is_converted_to_it_and_verified_in_it(project, checkpoint, tmp_path):
    tool = project / "tools/convert_backbone.py"
    said = run(project, sys.executable, tool, checkpoint, "--to", "toy", "--out", tmp_path)
    assert "verified test_resnet_toy.py in Toy 1.0" in said
    assert {path.name for path in tmp_path.iterdir()} == {"test_resnet_toy.py", "test_resnet_toy.pth"}


def test_the_doctor_tries_it(project):
    found = json.loads(run(project, sys.executable, project / "tools/doctor.py", "--json"))
    assert [part["says"] for part in found["parts"] if part["name"] == "Toy"] == ["a toy was built"]
