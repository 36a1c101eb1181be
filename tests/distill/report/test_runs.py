"""Loss curves as mmengine and Detectron2 log them, over crashes and resumes."""

import json

import pytest

from distill.errors import UserError
from distill.report.runs import find_runs, join_curves, read_run


def log(folder, stamp: str, points: list[tuple[int, float]], end: str = "") -> None:
    file = folder / stamp / "vis_data/scalars.json"
    file.parent.mkdir(parents=True)
    file.write_text("".join(json.dumps({"loss": loss, "step": step}) + "\n" for step, loss in points) + end)


def test_a_resumed_run_is_one_curve(tmp_path):
    log(tmp_path, "20260101_000000", [(10, 5.0), (20, 4.0), (30, 3.5)], end='{"loss": 3.')
    log(tmp_path, "20260102_000000", [(30, 3.0), (40, 2.0)])
    assert read_run(tmp_path).curve == [(10, 5.0), (20, 4.0), (30, 3.0), (40, 2.0)]


def test_a_later_part_takes_over_from_its_first_step():
    assert join_curves([[(1, 1.0), (2, 1.0), (3, 1.0)], [], [(2, 0.5)]]) == [(1, 1.0), (2, 0.5)]


def test_detectron2_writes_total_loss_by_iteration(tmp_path):
    (tmp_path / "metrics.json").write_text('{"iteration": 19, "total_loss": 1.5}\n{"bbox/AP": 3}\n')
    assert read_run(tmp_path).curve == [(19, 1.5)]


def test_the_run_of_a_rows_checkpoint_is_found_beside_it(tmp_path):
    (tmp_path / "last.pth").touch()
    (tmp_path / "manifest.json").write_text('{"seed": 3}')
    rows = [{"checkpoint": str(tmp_path / "last.pth")}, {"checkpoint": "random:resnet18"}]
    (run,) = find_runs(rows, [tmp_path])
    assert run.manifest == {"seed": 3}


def test_a_folder_without_a_run_is_an_error_that_names_it(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        find_runs([], [tmp_path])
    with pytest.raises(UserError, match="no such run folder"):
        find_runs([], [tmp_path / "none"])
