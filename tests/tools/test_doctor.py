"""tools/doctor.py tells what works by trying it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools/doctor.py"


def doctor(*arguments: str, before: str = "") -> subprocess.CompletedProcess:
    """Runs the tool in a process of its own, after ``before``."""
    start = f"import sys, runpy; sys.argv = {[str(TOOL), *arguments]!r}; {before}"
    code = f"{start}\nsys.path[0] = {str(TOOL.parent)!r}\nrunpy.run_path({str(TOOL)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def healthy() -> subprocess.CompletedProcess:
    return doctor("--json")


def test_required_parts_work_here(healthy):
    report = json.loads(healthy.stdout)
    assert healthy.returncode == 0 and report["works"]
    assert all(part["works"] for part in report["parts"] if part["required"])


def test_what_does_not_work_has_one_line_that_mends_it(healthy):
    for part in json.loads(healthy.stdout)["parts"]:
        assert bool(part["mend"]) != part["works"]
        assert "\n" not in part["mend"] + part["says"]


def test_a_broken_required_part_is_named_and_the_rest_still_examined():
    done = doctor(before="sys.modules['timm'] = None")
    assert done.returncode == 1
    assert "BROKEN  timm" in done.stdout and "mend:" in done.stdout
    assert "required parts that do not work: timm" in done.stdout
    assert "works   torch " in done.stdout


def test_a_missing_optional_part_is_no_failure():
    done = doctor(before="sys.modules['detectron2'] = sys.modules['faiss'] = None")
    assert done.returncode == 0
    assert "mend: make setup DETECTRON2=" in done.stdout
