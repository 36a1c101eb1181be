"""tools/sweep.py: a grid of trainings that goes on after a kill, past a cell that fails."""

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distill import results
from distill.report import write_report
from tests.distill.evaluation.conftest import write_folder

TOOL = Path(__file__).parents[2] / "tools/sweep.py"


@pytest.fixture
def command(tmp_path, teacher_file) -> list[str]:
    """Two cells: one that trains for an epoch, and one whose setting does not exist."""
    write_folder(tmp_path / "data/train", images=12)
    write_folder(tmp_path / "data/val", images=4, seed=1)
    sweep = [
        "--grid", "model.teacher.output=backbone,nonsense", "--data", tmp_path / "data", "--protocols", "knn",
        "--evaluation", "--workers 0", "--out", tmp_path / "out", "--",
        "--method", "reg", "--data", tmp_path / "data/train", "--teacher", teacher_file,
        "--student", "mobilenetv3_small_050", "--epochs", "1", "--batch-size", "8", "--image-size", "32",
        "--workers", "0", "--cfg-options", "model.student.zero_init_last=True",
    ]  # fmt: skip
    return [sys.executable, str(TOOL), *map(str, sweep)]


def test_a_killed_sweep_goes_on_skips_what_is_done_and_names_what_failed(command, run_here, tmp_path):
    out = tmp_path / "out"
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while not list(out.glob("cells/*nonsense*/log.txt")):  # the second cell begins
        assert started.poll() is None
        time.sleep(0.05)
    assert "works there" in run_here("sweep.py", *command[2:], code=2)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    (student,) = out.glob("cells/*/run/last.pth")
    before = student.stat().st_mtime
    second = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert second.returncode == 2
    assert "[1/2] model.teacher.output=backbone, seed 0: done" in second.stdout
    assert "[2/2] model.teacher.output=nonsense, seed 0: failed: " in second.stdout
    assert student.stat().st_mtime == before
    (row,) = results.read(out / "results.jsonl")
    assert row["details"] == {"grid": {"model.teacher.output": "backbone"}, "grid_of": "reg"}
    assert row["training_seed"] == 0 and set(row["metrics"]) == {"1nn", "20nn"}
    assert "over model.teacher.output" in write_report([out / "results.jsonl"], tmp_path)[0].read_text()


@pytest.fixture(scope="module")
def tool() -> dict:
    return runpy.run_path(str(TOOL))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.02,0.04", [0.02, 0.04]),
        ("swav,None,True", ["swav", None, True]),
        ("(0.1,0.05),[1,2],3", [(0.1, 0.05), [1, 2], 3]),
        ("", []),
    ],
)
def test_values_are_parted_at_commas_outside_of_brackets(tool, text, values):
    assert tool["values_of"](text) == values


def test_the_grid_is_every_combination_and_seed(tool):
    args = tool["parser"]().parse_args(
        ["c.py", "--grid", "a.b=1,2", "c=x,y", "--seeds", "0,3", "--data", "d", "--out", "o"]
    )
    cells = tool["cells"](args)
    assert [(*cell.values.values(), cell.seed) for cell in cells] == [
        (b, c, seed) for b in (1, 2) for c in ("x", "y") for seed in (0, 3)
    ]
    assert len({cell.folder for cell in cells}) == 8
    assert cells[0].folder.name.startswith("b=1_c=x_seed=0-")


def test_settings_of_the_grid_join_those_of_the_command(tool):
    args = tool["parser"]().parse_args(
        ["--grid", "a=1", "--data", "d", "--out", "o", "--", "c.py", "--cfg-options", "b=2", "--lr", "1"]
    )
    command = tool["train_command"](args, tool["cells"](args)[0])
    assert command[-7:] == ["0", "c.py", "--cfg-options", "a=1", "b=2", "--lr", "1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", "a"], "--grid 'a': write KEY=VALUE,VALUE"),
        (["--grid", "a=1", "--seeds", "one"], "--seeds one: valid: whole numbers"),
        (["--grid", "a=1", "--protocols", "kn"], "unknown protocol 'kn'"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(run_here, tmp_path, options, message):
    error = run_here("sweep.py", "c.py", *options, "--data", "d", "--out", tmp_path / "out", code=2)
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
