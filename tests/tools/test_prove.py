"""tools/prove.py: from pictures to a verdict, over a kill; and what it does not let pass."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distill import results
from distill.proof.by_labels import settings
from tests.distill.evaluation.conftest import write_folder

TOOL = Path(__file__).parents[2] / "tools/prove.py"


@pytest.fixture
def data(tmp_path):
    write_folder(tmp_path / "data/train", images=10)
    write_folder(tmp_path / "data/val", images=4, seed=1)
    return tmp_path / "data"


@pytest.fixture
def arguments(data, teacher_file, tmp_path):
    def arguments(*more) -> list[str]:
        given = ["--data", data, "--teacher", teacher_file, "--student", "test_resnet", "--seeds", "0,1"]
        given += ["--labels", "20%,100%", "--image-size", "32", "--workers", "0", "--out", tmp_path / "out"]
        return list(map(str, [*given, *more]))

    return arguments


def test_a_proof_over_a_kill(arguments, run_here, tmp_path):
    out = tmp_path / "out"
    options = ("--epochs", "1", "--batch-size", "8", "--cfg-options", "model.student.zero_init_last=True")
    command = [sys.executable, str(TOOL), *arguments("--method", "reg", "--", *options)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while not (out / "distilled/seed_0/last.pth").exists():
        assert first.poll() is None
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    student = (out / "distilled/seed_0/last.pth").read_bytes()
    second = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert second.returncode == 0, second.stderr
    assert (out / "distilled/seed_0/last.pth").read_bytes() == student
    rows = results.read(out / "results.jsonl")
    assert sorted((row["label"], row["seed"]) for row in rows) == [
        (start, seed) for start in ("distilled", "random", "teacher") for seed in (0, 1)
    ]
    assert all(set(row["metrics"]) == {"top1_20%", "top1_100%"} for row in rows)
    (verdict,) = [line for line in second.stdout.splitlines() if ", against a random start: " in line]
    assert "; mean of 2 paired seeds on these 8 test pictures, with intervals of which all " in verdict
    page, text = (out / "proof.html").read_text(), (out / "proof.md").read_text()
    assert verdict in page and verdict in text and "reg on the 20 pictures of train" in text
    for row in rows:
        assert f"{row['metrics']['top1_20%']:.1f}"
    assert verdict in run_here("prove.py", *command[2:])
    assert len(results.read(out / "results.jsonl")) == len(rows)


def test_the_same_network_twice_makes_no_difference(arguments, teacher_file, run_here, tmp_path):
    same = ("--student", "resnet18", "--distilled", teacher_file, "--supervised", teacher_file)
    said = run_here("prove.py", *arguments(*same))
    assert "Not shown, against the supervised start: no difference is shown with " in said
    assert "(linear classifier: +0.0 points, " in said


def test_test_pictures_among_those_trained_on_are_refused(arguments, data, teacher_file, run_here, tmp_path):
    shutil.copy(data / "val/dog/1.png", data / "train/cat/mine.png")
    said = run_here("prove.py", *arguments("--distilled", teacher_file), code=2)
    assert "error: 1 of 8 test pictures are trained on as well (1 the same file, 0 near copies), as " in said
    assert not (tmp_path / "out/results.jsonl").exists()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--method", "reg", "--seeds", "0"), "--seeds 0: valid: two or more different whole numbers, 0,1,2"),
        (("--method", "reg", "--seeds", "1,1"), "--seeds 1,1: valid: two or more different whole numbers"),
        (("--method", "reg", "--labels", "10"), "labels '10'; valid: a share of them, such as '1%' or '10%'"),
        (("--method", "reg", "--protocols", "knn"), "unknown protocol 'knn'; valid: small_label_finetune"),
        (("--method", "reg", "--distilled", "a"), "--distilled names students that are there: leave out"),
        (("--distilled", "a", "b", "c"), "--distilled has 3 files for 2 seeds; valid: 1 or as many"),
        (("--method", "reg", "--data", "/no/where"), "no such image folder: /no/where/train"),
        (("--method", "nonsense"), "unknown method 'nonsense'"),
    ],
)
def test_mistakes_are_one_line(more, line, arguments, run_here):
    said = run_here("prove.py", *arguments(*more), code=2)
    assert f"error: {line}" in said and "Traceback" not in said


def test_a_file_that_holds_other_weights_now_is_refused(arguments, teacher_file, run_here, tmp_path):
    student = tmp_path / "student.pth"
    shutil.copy(teacher_file, student)
    given = arguments("--student", "resnet18", "--distilled", student)
    run_here("prove.py", *given)
    student.write_bytes(b"others")
    assert f"error: {tmp_path}/out holds figures of other weights" in run_here("prove.py", *given, code=2)


def test_figures_of_something_else_are_not_mixed_in(arguments, data, teacher_file, run_here, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/plan.json").write_text("{}")
    said = run_here("prove.py", *arguments("--distilled", teacher_file), code=2)
    assert f"error: {tmp_path}/out holds figures of other " in said and "give another --out" in said


def test_settings_are_the_protocol_s_own_for_the_nearest_share():
    assert settings("small_label_finetune", ["0.5%", "1%", "100%"]) == {
        "labels": ("0.5%", "1%", "100%"),
        "lr": {"0.5%": 0.02, "1%": 0.02, "100%": 0.01},
        "head_lr": {"0.5%": 5.0, "1%": 5.0, "100%": 0.2},
    }
    assert settings("small_label_linear", ["2%"]) == {"labels": ("2%",), "epochs": {"2%": 30}}
