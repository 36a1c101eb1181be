"""tools/evaluate.py as a user runs it."""

import os
import re
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
        (("--data", "images"), "no checkpoint given"),
        (("--data", "images", "--random"), "--random needs --arch NAME"),
        (("--data", "images", "--random", "--arch", "resnet81"), "unknown model 'resnet81'"),
        (("none.pth", "--data", "images"), "no such checkpoint file: none.pth"),
        (
            ("my_run/last.pth", "--data", "images", "--arch", "resnet18"),
            "holds a test_resnet, not a resnet18",
        ),
        (("my_run/last.pth", "--data", "images", "--resize", "16"), "resize is 16; valid: image_size (32)"),
        (("my_run/last.pth", "--data", "images", "--device", "gpu"), "--device gpu: "),
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
