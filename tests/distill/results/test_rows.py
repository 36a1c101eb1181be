"""results.jsonl: rows are whole, in order, and survive a crash of the writer."""

import subprocess
import sys
from pathlib import Path

import pytest

from distill import results

ROOT = Path(__file__).resolve().parents[3]


def row(seed: int = 0, **metrics: float) -> dict:
    return results.make_row("knn", "run", "distilled", "resnet18", seed, metrics, "last.pth", "ab", {}, 1.0)


def test_rows_come_back_with_what_made_them(tmp_path):
    path = tmp_path / "results.jsonl"
    results.append(path, row(0, top1=40))
    results.append(path, row(1, top1=42))
    first, second = results.read(path)
    assert (first["metrics"], second["seed"]) == ({"top1": 40.0}, 1)
    assert {"command", "versions", "git", "time", "sha256"} <= first.keys()
    assert results.find([first, second], seed=1, task="knn") == [second]
    assert results.read(tmp_path / "none.jsonl") == []


def test_a_torn_line_is_skipped_and_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "results.jsonl"
    results.append(path, row(0))
    with open(path, "a") as file:
        file.write('{"task": "kn')  # a crash in the middle of a write
    results.append(path, row(1))
    with pytest.warns(UserWarning, match="results.jsonl:2: .* not whole JSON"):
        assert [found["seed"] for found in results.read(path)] == [0, 1]


def test_many_writers_at_once_lose_nothing(tmp_path):
    code = (
        "import sys; from distill import results\n"
        "for n in range(20):\n"
        "    row = results.make_row('knn', 'r', 'd', 'a', n, {}, 'c', '', {'long': 'x' * 5000}, 0)\n"
        "    results.append(sys.argv[1], row)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "r.jsonl")], cwd=ROOT) for _ in range(3)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(results.read(tmp_path / "r.jsonl")) == 60


def test_a_full_disk_names_the_file():
    with pytest.raises(OSError) as error:
        results.append("/dev/full", row())
    assert error.value.filename == "/dev/full"
