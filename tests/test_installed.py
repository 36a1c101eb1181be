"""The installed package: its wheel in a folder of its own, used from one that holds pictures alone."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from distill.demo.world import write_demo

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """What `pip install --target` makes of the wheel."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("setup.py", "pyproject.toml", "distill", "transfer", "configs", "tools"):
        (source / name).symlink_to(ROOT / name)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    build = (*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", source, source)
    subprocess.run(list(map(str, build)), check=True, timeout=300)
    (wheel,) = source.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True, timeout=300)
    return site


@pytest.fixture
def run(site, tmp_path):
    """Runs a line of a shell in an empty folder, where ``distill`` is the installed one."""
    path = os.pathsep.join([str(site / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(site), "PATH": path}

    def run_line(line: str, code: int = 0) -> str:
        done = subprocess.run(
            shlex.split(line), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    return run_line


@pytest.mark.parametrize("folder, installed", [("configs", "distill/configs"), ("tools", "distill_tools")])
def test_it_carries_configs_and_tools(folder, installed, site):
    files = [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.sh")]
    assert files and all((site / installed / file.relative_to(ROOT / folder)).is_file() for file in files)


def test_it_carries_data_files(site):
    assert all((site / "distill/report" / name).is_file() for name in ("published.json", "page.css"))


def test_from_pictures_to_figures_by_one_command(run, tmp_path, teacher_file):
    write_demo(tmp_path / "data", n_classification=(20, 10), n_scenes=(2, 2))
    said = run(
        f"distill --data data/imagefolder/train --teacher {teacher_file} --student mobilenetv3_small_050 "
        "--epochs 1 --batch-size 10 --image-size 32 --workers 0 --work-dir run"
    )
    told = said.split("to open, evaluate and convert it:\n")[1].splitlines()
    assert told[1:3] == [
        "  distill evaluate run/last.pth --data ROOT", "  distill convert_backbone run/last.pth --to timm"
    ]  # fmt: skip
    said = run("distill evaluate run/last.pth --data data/imagefolder --protocols knn --workers 0")
    assert "knn" in said and (tmp_path / "run/results.jsonl").is_file()
    run("distill report run/results.jsonl --out page")
    assert "mobilenetv3_small_050" in (tmp_path / "page/report.html").read_text()
    assert run("distill run_transfer --help").startswith("usage: run_transfer.sh")


def test_every_tool_for_users_is_listed_and_answers(run):
    listed = [line.split()[0] for line in run("distill").split("tools:\n")[1].splitlines()]
    files = {path.stem for path in (ROOT / "tools").iterdir() if path.suffix in (".py", ".sh")}
    assert set(listed) == {name for name in files if not name.startswith(("benchmark_", "build_docs"))}
    for name in listed:
        assert f"usage: {name}" in run(f"distill {name} --help")


@pytest.mark.parametrize(
    "line, error",
    [
        ("distill evalute run/last.pth", "unknown tool 'evalute'; did you mean 'evaluate'? valid: "),
        ("distill config.py", "no such config file: config.py"),
        ("distill configs/evaluate", "no such config file: configs/evaluate"),
        ("distill --data nowhere --teacher resnet18 --student resnet10t", "nowhere"),
    ],
)
def test_a_typo_is_one_line(run, line, error):
    said = run(line, code=2)
    assert said.startswith("error: ") and error in said and len(said.splitlines()) == 1
