"""What is promised about installation: light imports, quick help, pins, one line for a mistake."""

import ast
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TOOLS = sorted(path.name for path in (ROOT / "tools").glob("*.py"))
HEAVY = (
    "torch",
    "timm",
    "mmengine",
    "mmcv",
    "mmdet",
    "mmseg",
    "detectron2",
    "faiss",
    "sklearn",
    "matplotlib",
)


def run(*command, **more) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, **more)


def assigned(name: str):
    """The value of a literal in setup.py, which is read and not run."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"setup.py assigns no {name}")


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))


def test_importing_the_packages_loads_nothing_heavy():
    code = f"import distill, transfer, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run(sys.executable, "-c", code, cwd=ROOT).stdout.strip() == "[]"


@pytest.mark.parametrize("tool", TOOLS)
def test_help_answers_at_once(tool):
    def seconds() -> float:
        start = time.perf_counter()
        done = run(sys.executable, ROOT / "tools" / tool, "--help")
        assert done.returncode == 0 and "usage:" in done.stdout, done.stderr
        return time.perf_counter() - start

    # the best of three: a busy machine must not fail what a heavy import would
    assert min(seconds() for _ in range(3)) < 1.5


@pytest.mark.parametrize("tool", TOOLS)
def test_an_unknown_option_is_a_short_message_without_traceback(tool):
    done = run(sys.executable, ROOT / "tools" / tool, "--no-such-option")
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_every_requirement_is_pinned_to_a_version_it_allows():
    wanted = [*assigned("REQUIRED"), *(line for lines in assigned("EXTRAS").values() for line in lines)]
    for requirement in map(Requirement, wanted):
        pin = pins().get(requirement.name.lower())
        assert pin, f"{requirement.name} has no pin in constraints.txt"
        assert requirement.specifier.contains(pin), f"{requirement} does not allow {pin}"


def test_pins_name_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.+]+", line), line


def test_make_names_a_missing_python_in_one_line(tmp_path):
    for name in ("Makefile", "setup.py", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    quiet = {
        key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "PYTHON")
    }
    done = run("make", "setup", "PYTHON=python-that-is-not-there", cwd=tmp_path, env=quiet)
    first = done.stderr.splitlines()[0]
    assert done.returncode != 0 and not (tmp_path / ".venv").exists()
    assert first.startswith("error: python-that-is-not-there was not found")


def test_the_license_is_apache_2():
    assert (
        "Apache License\n" in (ROOT / "LICENSE").read_text()
        and "Version 2.0" in (ROOT / "LICENSE").read_text()
    )
