"""tools/evaluate.py as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill import results
from distill.backbones import Backbone
from distill.checkpoints import file_sha256, save_student
from distill.registry import EVALUATORS

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "evaluate.py"
QUICK = ("--workers", "0", "--batch-size", "8", "--device", "cpu")


def in_own_process(*arguments):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


@pytest.fixture
def evaluate(run_here):
    return partial(run_here, "evaluate.py")


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 5), ("val", 3)):
        for number, name in enumerate(("dark", "light")):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(120 * number, 120 * number + 60, (40, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "images"


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    backbone = Backbone("test_resnet")
    path = tmp_path / "my_run" / "last.pth"
    path.parent.mkdir()
    mean, std = backbone.mean.flatten().tolist(), backbone.std.flatten().tolist()
    save_student(path, backbone.net, backbone.arch, mean, std, 32, meta={"run": "my_run"})
    return path


def test_help_is_quick():
    start = time.perf_counter()
    assert "--protocols" in in_own_process("--help").stdout
    assert time.perf_counter() - start < 1.5


def test_failure_as_the_shell_sees_it(tmp_path):
    done = in_own_process("--data", tmp_path / "nowhere", "--random", "--arch", "test_resnet")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"error: no such image folder: {tmp_path}/nowhere/train\n"


def test_checkpoint_to_table_and_rows(evaluate, data, checkpoint):
    output = evaluate(checkpoint, "--data", data, *QUICK)
    assert re.search(r"loaded test_resnet <- .*last.pth: all \d+ tensors matched", output)
    assert "my_run (distilled, test_resnet, 32 px), percent" in output
    assert re.search(r"^knn +1nn 100.0 +20nn 100.0$", output, re.MULTILINE)
    assert re.search(r"^cluster_alignment +top1 100.0$", output, re.MULTILINE)
    rows = results.read(checkpoint.parent / "results.jsonl")
    assert [row["task"] for row in rows] == ["knn", "linear", "cluster_alignment"]
    for row in rows:
        assert (row["label"], row["init"], row["backbone"]) == ("my_run", "distilled", "test_resnet")
        assert row["sha256"] == file_sha256(checkpoint) and row["checkpoint"] == str(checkpoint)
        assert row["settings"]["train"]["images"] == 10 and row["settings"]["resize"] == 37
    assert rows[1]["metrics"] == {"top1": 100.0} and rows[1]["settings"]["linear"]["epochs"] == 40


def test_what_has_its_row_is_left_out(evaluate, data, checkpoint):
    """As after a kill behind the first row; another name for the same network has rows of its own."""
    file = checkpoint.parent / "results.jsonl"
    evaluate(checkpoint, "--data", data, *QUICK, "--protocols", "knn")
    again = evaluate(checkpoint, "--data", data, *QUICK, "--protocols", "knn,linear")
    assert f"knn on {data}/val: its row is in {file} already, left out" in again
    assert f"1 rows added to {file}" in again
    evaluate(checkpoint, "--data", data, *QUICK, "--protocols", "knn", "--label", "other")
    told = [(row["label"], row["task"]) for row in results.read(file)]
    assert told == [("my_run", "knn"), ("my_run", "linear"), ("other", "knn")]


def test_random_network_beside_it(evaluate, data, checkpoint, tmp_path):
    """By name or by another checkpoint's architecture: the same seed is the same network."""
    file = tmp_path / "all.jsonl"
    common = ("--random", "--data", data, "--protocols", "knn", "--image-size", 32, "--results", file, *QUICK)
    evaluate("--arch", "test_resnet", *common)
    evaluate(checkpoint, *common, "--label", "untrained", "--seed", 0)
    evaluate("--arch", "test_resnet", *common, "--seed", 1)
    first, second, third = results.read(file)
    assert first["init"] == second["init"] == "random"
    assert (first["label"], second["label"]) == ("random test_resnet", "untrained")
    assert first["sha256"] == second["sha256"] != third["sha256"]


def test_own_folders_resize_and_few_labels(evaluate, data, checkpoint, tmp_path):
    options = (
        "--resize",
        32,
        "--protocols",
        "knn,retrieval",
        "--few-shot",
        "1-shot,50%",
        "--init-label",
        "teacher",
    )
    evaluate(checkpoint, "--train", data / "train", "--val", data / "val", *options, *QUICK)
    knn, retrieval = results.read(checkpoint.parent / "results.jsonl")
    assert knn["init"] == "teacher" and knn["settings"]["resize"] == 32
    assert {"1nn_1-shot", "1nn_1-shot_std", "1nn_50%", "1nn_50%_std"} < set(knn["metrics"])
    assert retrieval["metrics"]["recall@1"] == 100


def test_the_normalisation_is_printed_and_can_be_given(evaluate, data, checkpoint):
    options = ("--data", data, "--protocols", "knn", *QUICK)
    pixels = "  pixels in [0, 1] normalised by mean"
    plain = evaluate(checkpoint, *options)
    assert f"{pixels} 0.5, 0.5, 0.5 (the file) and std 0.5, 0.5, 0.5 (the file)" in plain
    given = evaluate(checkpoint, *options, "--mean", 0.5, 0.4, 0.3, "--std", 0.5, 0.5, 0.5)
    replaced = "0.5, 0.4, 0.3 (given, in place of 0.5, 0.5, 0.5: the file)"
    assert f"{pixels} {replaced} and std 0.5, 0.5, 0.5 (given)" in given
    before, after = results.read(checkpoint.parent / "results.jsonl")
    assert before["settings"]["mean"] != after["settings"]["mean"] == pytest.approx([0.5, 0.4, 0.3])


@pytest.mark.parametrize(
    ("network", "origin"),
    [
        (("--random", "--arch", "resnet18"), "the architecture's default"),
        (("{moco}",), "moco-v2's, which the file does not tell"),
    ],
)
def test_who_tells_the_normalisation_of_a_file_that_does_not(network, origin, evaluate, data, teacher_file):
    network = [each.format(moco=teacher_file) for each in network]
    options = ("--data", data, "--protocols", "knn", "--image-size", 32, "--dry-run", *QUICK)
    assert f"({origin}) and std 0.229, 0.224, 0.225 ({origin})" in evaluate(*network, *options)


def test_settings_of_a_protocol(evaluate, data, checkpoint):
    evaluate(
        checkpoint, "--data", data, "--protocols", "knn,linear", "--seed", 2,
        "--cfg-options", "knn.k=(1,3)", "linear.epochs=2", *QUICK,
    )  # fmt: skip
    knn, linear = results.read(checkpoint.parent / "results.jsonl")
    assert set(knn["metrics"]) == {"1nn", "3nn"}
    assert (linear["settings"]["linear"]["epochs"], linear["settings"]["linear"]["seed"]) == (2, 2)


@pytest.mark.parametrize(
    ("meta", "file", "init", "label"),
    [
        ({"method": "CompRess"}, "last.pth", "distilled", "run"),
        ({"method": "SimCLR"}, "last.pth", "self-supervised", "run"),
        ({"method": "OSS"}, "last.pth", "distilled", "run"),
        ({"method": "OSS"}, "teacher.pth", "self-supervised", "run teacher"),
        ({"method": "Mine", "init": "self-supervised"}, "last.pth", "self-supervised", "run"),
    ],
)
def test_a_row_says_how_the_network_was_trained_and_with_which_seed(
    evaluate, data, tmp_path, meta, file, init, label
):
    backbone = Backbone("test_resnet")
    path = tmp_path / "run" / file
    path.parent.mkdir()
    meta |= {"run": "run", "seed": 7}
    save_student(path, backbone.net, "test_resnet", [0.5] * 3, [0.5] * 3, 32, meta=meta)
    evaluate(path, "--data", data, "--protocols", "knn", "--seed", 1, *QUICK)
    (row,) = results.read(path.parent / "results.jsonl")
    assert (row["init"], row["label"]) == (init, label)
    assert (row["training_seed"], row["seed"]) == (7, 1)


TOY = '''"""How bright the features are."""
from dataclasses import dataclass
from typing import ClassVar

from distill.registry import EVALUATORS
from distill.results.protocol import Protocol

PROTOCOL = Protocol(
    name="toy", title="Toy brightness", kind="features", metrics={"lux": "brightness"}, headline="lux",
    paper="none",
)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class Toy:
    scale: float = 1.0

    protocol: ClassVar[Protocol] = PROTOCOL

    def run(self, train, val):
        return {"lux": self.scale * 42.0}
'''


def shown_under(report: str, heading: str) -> str:
    """The part of the HTML report below a section's heading."""
    return report.split(f">{heading}</h2>")[1].split("</section>")[0]


def test_one_file_among_the_others_is_a_protocol(data, checkpoint, tmp_path):
    """--help lists it, --protocols takes it and the report shows it under its title."""
    for name in ("distill", "tools", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "distill/evaluation/toy.py").write_text(TOY)

    def run(tool, *arguments):
        command = [sys.executable, tmp_path / "tools" / tool, *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = run("evaluate.py", "--help")
    assert re.search(r"^  toy +Toy brightness \(none\), features$", listed, re.MULTILINE)
    options = ("--protocols", "toy", "--cfg-options", "toy.scale=2")
    assert "toy  lux  84.0" in run("evaluate.py", checkpoint, "--data", data, *options, *QUICK)
    run("report.py", checkpoint.parent / "results.jsonl", "--out", tmp_path / "report")
    frozen = shown_under((tmp_path / "report/report.html").read_text(), "Ours: frozen features")
    assert "<h3>Toy brightness</h3>" in frozen and "brightness</th>" in frozen and "84.0" in frozen


def test_a_protocol_from_a_file_elsewhere(evaluate, run_here, data, checkpoint, tmp_path):
    """Its rows tell the report what it is called."""
    (tmp_path / "mine.py").write_text(TOY.replace("toy", "mine").replace("Toy", "Mine"))
    try:
        options = ("--import", tmp_path / "mine.py", "--protocols", "mine")
        assert "mine  lux  42.0" in evaluate(checkpoint, "--data", data, *options, *QUICK)
    finally:
        EVALUATORS.module_dict.pop("Mine")
    run_here("report.py", checkpoint.parent / "results.jsonl", "--out", tmp_path / "report")
    frozen = shown_under((tmp_path / "report/report.html").read_text(), "Ours: frozen features")
    assert "<h3>Mine brightness</h3>" in frozen and "brightness</th>" in frozen


def test_other_layouts_are_recognised(evaluate, data, tmp_path):
    """A MoCo-v2 checkpoint: its head is left out; what is not ours counts as a teacher."""
    import timm

    net = timm.create_model("resnet18", num_classes=0)
    state = {f"module.encoder_q.{key}": value for key, value in net.state_dict().items()}
    state |= {"module.encoder_q.fc.0.weight": torch.zeros(4, 512), "module.queue": torch.zeros(4, 8)}
    path = tmp_path / "moco_200ep.pth.tar"
    torch.save({"arch": "resnet18", "state_dict": state}, path)
    output = evaluate(path, "--data", data, "--protocols", "knn", "--image-size", 32, *QUICK)
    assert "moco_200ep (teacher, resnet18, 32 px)" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no train images given: use --data ROOT or --train DIR"),
        (("--data", "nowhere"), "no such image folder: nowhere/train"),
        (
            ("--data", "images", "--protocols", "knn,linaer"),
            "unknown protocol 'linaer'; did you mean 'linear'",
        ),
        (("--data", "images", "--protocols", "linear", "--few-shot", "1%"), "--few-shot needs knn"),
        (("--data", "images", "--cfg-options", "lr=1"), "PROTOCOL.SETTING=VALUE; protocols: knn, linear"),
        (
            ("--data", "images", "--cfg-options", "linear.epoch=1"),
            "unknown setting of linear 'epoch'; did you mean 'epochs'",
        ),
        (("--data", "images", "--cfg-options", "linear.lr=fast"), "linear.lr is 'fast'; valid: a number"),
        (("--data", "images", "--import", "mine.py"), "--import: no such file: mine.py"),
        (("my_run/last.pth", "--data", "images", "--std", "0", "1", "1"), "--std is (0.0, 1.0, 1.0); valid"),
        (("--data", "images"), "no checkpoint given"),
        (("--data", "images", "--random"), "--random needs --arch NAME"),
        (("--data", "images", "--random", "--arch", "resnet81"), "unknown model 'resnet81'"),
        (("none.pth", "--data", "images"), "no such checkpoint file: none.pth"),
        (
            ("my_run/last.pth", "--data", "images", "--arch", "resnet18"),
            "holds a test_resnet, not a resnet18",
        ),
        (("my_run/last.pth", "--data", "images", "--resize", "16"), "resize is 16; valid: image_size (32)"),
        (("my_run/last.pth", "--data", "images", "--device", "gpu"), "--device 'gpu': "),
        pytest.param(
            ("my_run/last.pth", "--data", "images", "--amp"), "--amp needs a CUDA GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="here is one"),
        ),
    ],
)
def test_mistakes_are_one_line(evaluate, monkeypatch, data, checkpoint, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    error = evaluate(*arguments, code=2)
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not list(tmp_path.rglob("*.jsonl"))


def test_corrupt_image_and_missing_class_are_named(evaluate, data, checkpoint):
    (data / "val" / "light" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    assert "val/light/1.png" in evaluate(checkpoint, "--data", data, *QUICK, code=2)
    (data / "val" / "light").rename(data / "val" / "bright")
    error = evaluate(checkpoint, "--data", data, *QUICK, code=2)
    assert "1 only in" in error and "(light)" in error and "(bright)" in error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to stand for a full disk")
def test_full_disk_is_one_line(evaluate, data, checkpoint):
    error = evaluate(
        checkpoint, "--data", data, "--protocols", "knn", "--results", "/dev/full", *QUICK, code=2
    )
    assert error.startswith("error: No space left on device")


def test_kept_features_are_taken_up_and_give_the_same_numbers(evaluate, data, checkpoint, tmp_path):
    kept, options = tmp_path / "features", ("--data", data, "--features", tmp_path / "features", *QUICK)
    for number in (1, 2):
        evaluate(checkpoint, *options, "--results", tmp_path / f"{number}.jsonl")
    first, second = (results.read(tmp_path / f"{number}.jsonl") for number in (1, 2))
    assert [row["metrics"] for row in first] == [row["metrics"] for row in second]
    assert np.load(kept / "train" / "embeddings.npy").shape[0] == 10
    assert np.load(kept / "val" / "embeddings.npy").shape[0] == 6
    other = ("--random", "--arch", "test_resnet", "--seed", 1, "--image-size", 32)
    error = evaluate(*other, *options, code=2)
    assert "train: this cache was made from something else (teacher.weights_sha256" in error


def test_torchrun_shares_the_extraction_and_one_process_evaluates(evaluate, data, checkpoint, tmp_path):
    file, options = tmp_path / "results.jsonl", ("--data", str(data), *QUICK)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(TOOL),
        str(checkpoint), "--results", str(file), "--features", str(tmp_path / "features"), *options,
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=True)
    evaluate(checkpoint, "--results", tmp_path / "alone.jsonl", *options)
    together, alone = results.read(file), results.read(tmp_path / "alone.jsonl")
    assert [row["metrics"] for row in together] == [row["metrics"] for row in alone]
    assert len(together) == 3
