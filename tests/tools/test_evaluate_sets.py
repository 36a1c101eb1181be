"""tools/evaluate.py on known data sets, as a user runs it."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from distill import results
from distill.registry import EVALUATORS
from tests.distill.data.sets.archives import WRITERS, voc07

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "evaluate.py"
NETWORK = ("--random", "--arch", "test_resnet", "--image-size", "32")
QUICK = (*NETWORK, "--workers", "0", "--batch-size", "8", "--device", "cpu")
ONE_EPOCH = ("--cfg-options", "linear_crops.epochs=1")
BROKEN = '''from dataclasses import dataclass
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol

@EVALUATORS.register_module()
@dataclass(frozen=True)
class Broken:
    protocol = Protocol("broken", "Broken", "features", {"top1": "top-1"})

    def run(self, train, val):
        raise RuntimeError("no such thing")
'''


@pytest.fixture
def evaluate(run_here):
    return partial(run_here, "evaluate.py")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in ("cifar10", "cub200_by_class"):
        WRITERS[name](folder)
    voc07(folder)
    return folder


def tasks(file) -> list[tuple[str, str]]:
    return [(row["task"], row["data"]) for row in results.read(file)]


def in_own_process(*arguments, launcher=()) -> subprocess.CompletedProcess:
    command = [sys.executable, *launcher, str(TOOL), *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


def test_protocols_on_the_sets_of_their_papers_and_then_nothing_more(evaluate, root, tmp_path):
    file = tmp_path / "results.jsonl"
    options = ("--data-root", root, "--protocols", "linear_crops,retrieval", "--results", file, *QUICK)
    done = in_own_process(*options, *ONE_EPOCH)
    assert done.returncode == 0, done.stderr
    assert "missing: stl10: there is no " in done.stdout and "stl10_binary.tar.gz at " in done.stdout
    assert "linear_crops cifar10       top1 " in done.stdout
    assert "Get class" not in done.stdout, "the log of a training stays in its file once it is through"
    expected = [
        ("linear_crops", "cifar10"), ("retrieval", "cub200_by_class"), ("retrieval", "cub200_by_image"),
    ]  # fmt: skip
    assert tasks(file) == expected
    again = evaluate(*options, *ONE_EPOCH)
    assert "plan: 0 to run, 3 whose rows are there" in again and "0 rows added" in again
    assert tasks(file) == expected


def test_an_interrupted_plan_goes_on(evaluate, root, tmp_path):
    """The rows of an interrupted command are there; here it was one of less."""
    file = tmp_path / "results.jsonl"
    options = ("--data-root", root, "--sets", "cifar10", "--results", file, *QUICK)
    evaluate(*options, "--protocols", "knn")
    rest = evaluate(*options, "--protocols", "linear,knn,retrieval")
    assert "plan: 2 to run, 1 whose rows are there" in rest
    assert tasks(file) == [(task, "cifar10") for task in ("knn", "linear", "retrieval")]


def test_a_dry_run_measures_nothing(evaluate, root, tmp_path):
    file = tmp_path / "results.jsonl"
    told = evaluate(
        "--data-root", root, "--protocols", "all", "--dry-run", "--results", file, *QUICK, *ONE_EPOCH
    )  # fmt: skip
    assert "  linear_crops: 13 images, " in told  # 10 in one epoch, then 3
    assert "missing: imagenet: there is no " in told
    assert not file.exists() and not (tmp_path / "evaluation").exists()


def test_one_protocol_that_fails_does_not_stop_the_others(evaluate, root, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    file = tmp_path / "results.jsonl"
    error = evaluate(
        "--data-root", root, "--sets", "cifar10", "--protocols", "broken,knn", "--results", file,
        "--import", tmp_path / "broken.py", *QUICK, code=2,
    )  # fmt: skip
    EVALUATORS.module_dict.pop("Broken")
    assert error.endswith("error: 1 of 2 failed: broken on cifar10: no such thing\n")
    assert tasks(file) == [("knn", "cifar10")]


def test_all_protocols_on_a_folder_of_ones_own(evaluate, tmp_path):
    WRITERS["imagenet"](tmp_path)
    options = ("--data", tmp_path / "imagenet", "--results", tmp_path / "r.jsonl", *QUICK)
    told = evaluate(*options, "--protocols", "all", "--dry-run")
    assert "imagenet/val: 6 + 6 images, " in told
    for task in ("knn", "linear", "cluster_alignment", "linear_crops", "retrieval"):
        assert f"  {task}: " in told
    evaluate(*options, "--protocols", "knn")
    assert "  knn: its row is there" in evaluate(*options, "--protocols", "all", "--dry-run")
    assert "data" not in results.read(tmp_path / "r.jsonl")[0]


def test_processes_share_the_features_of_each_set(root, tmp_path):
    options = ("--data-root", root, "--sets", "cifar10,cub200_by_class", "--protocols", "knn,retrieval")
    done = in_own_process(
        *options, "--features", tmp_path / "features", "--results", tmp_path / "together.jsonl", *QUICK,
        launcher=("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert tasks(tmp_path / "together.jsonl") == [
        ("knn", "cifar10"), ("retrieval", "cifar10"), ("retrieval", "cub200_by_class"),
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "features").iterdir()} == {"cifar10", "cub200_by_class"}
    assert not (tmp_path / "features/cub200_by_class/train").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data-root", "data", "--sets", "stl10"), "stl10: there is no data/stl10_binary/"),
        (("--data-root", "data", "--sets", "cifra10"), "unknown data set 'cifra10'; did you mean 'cifar10'"),
        (("--data-root", "data", "--protocols", "knn"), "data: none of these data sets is there"),
        (("--data-root", "dat", "--protocols", "all"), "--data-root: no such folder: dat"),
        (("--data-root", "data", "--data", "images"), "--data-root is for known data sets: leave out --data"),
        (("--data", "images", "--sets", "cifar10"), "--sets and --download need --data-root DIR"),
        (
            ("--data-root", "data", "--sets", "voc07", "--protocols", "knn,linear"),
            "left out on voc07: knn, linear: made for images with one label each; those of data/VOC",
        ),
    ],
)
def test_mistakes_are_one_line(evaluate, monkeypatch, root, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(root)
    error = evaluate(*arguments, *QUICK, code=2)
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not list(tmp_path.glob("*.jsonl"))
