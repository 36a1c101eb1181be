"""tools/benchmark_index.py measures how long a large folder takes to open, and what memory it takes."""

import re

import pytest


def test_measures_seconds_and_memory(run_tool, tmp_path):
    small = ("--images", 500, "--folders", 4, "--ranks", 2, "--workers", 2)
    done = run_tool("benchmark_index.py", *small, "--where", tmp_path)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first.startswith("500 files in 4 folders, made in ")
    titles = [re.split(r" {2,}", line.strip())[0] for line in lines]
    assert titles == [
        "first start", "second start", "2 processes, the slowest",
        "memory of 2 processes x 2 workers, over that with one image",
        "in all, shared pages once", "of it in one process alone",
    ]  # fmt: skip
    for line in lines[:3]:
        assert float(re.split(r" {2,}", line)[2].split()[0]) == pytest.approx(0.5, abs=0.5)
    for line in lines[4:]:
        assert float(line.split()[-2]) < 20
    assert not list(tmp_path.iterdir()), "what was made for it is removed"
