"""A run killed at any moment goes on bit for bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.distill.methods.small import SMALL, Inputs, arguments

ROOT = Path(__file__).resolve().parents[3]


def command(name: str, inputs: Inputs, work_dir: Path, *more: str) -> list[str]:
    """10 steps: 2 epochs of 5, batch 5 of 24 images (the last batch of an epoch is odd)."""
    flags = [
        part
        for key, value in arguments(name, inputs).items()
        if value is not None
        for part in (f"--{key.replace('_', '-')}", str(value))
    ]
    tool = [sys.executable, str(ROOT / "tools" / "distill.py"), "--seed", "3", "--work-dir", str(work_dir)]
    options = {
        **SMALL[name].options,
        # every 3 steps: states fall inside epochs, not only on their borders
        "default_hooks.checkpoint.by_epoch": False,
        "default_hooks.checkpoint.interval": 3,
        "default_hooks.checkpoint.max_keep_ckpts": -1,
        "default_hooks.logger.interval": 1,
    }
    return [*tool, *flags, *more, "--cfg-options", *(f"{key}={value}" for key, value in options.items())]


def training_state(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def assert_same(a, b, where: str) -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}.{number}")
    else:
        assert a == b, where


@pytest.mark.parametrize("method", SMALL)
def test_ten_steps_equal_some_then_kill_9_then_the_rest(method, method_inputs, tmp_path):
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(
        command(method, method_inputs, whole),
        check=True,
        env=env,
        capture_output=True,
        timeout=300,
    )

    victim = subprocess.Popen(
        command(method, method_inputs, broken),
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.time() + 240
    while not (broken / "iter_3.pth").exists() and time.time() < deadline:
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL, "the run was over before it could be killed"
    # one state must remain to go on from, as after a crash early in the run
    for later in [p for p in broken.glob("iter_*.pth") if p.name != "iter_3.pth"]:
        later.unlink()

    subprocess.run(
        command(method, method_inputs, broken, "--resume"),
        check=True,
        env=env,
        capture_output=True,
        timeout=300,
    )
    for name in ("iter_6.pth", "iter_9.pth", "iter_10.pth"):
        if (whole / name).exists() or (broken / name).exists():
            expected, resumed = training_state(whole / name), training_state(broken / name)
            for part in ("state_dict", "optimizer", "param_schedulers"):
                assert_same(expected[part], resumed[part], f"{name}.{part}")
    assert_same(
        torch.load(whole / "last.pth")["backbone"], torch.load(broken / "last.pth")["backbone"], "last.pth"
    )


def test_the_state_holds_queues_and_key_encoder(method_inputs, tmp_path):
    subprocess.run(
        command("compress_2q", method_inputs, tmp_path),
        check=True,
        capture_output=True,
        timeout=300,
    )
    state = training_state(tmp_path / "iter_9.pth")["state_dict"]
    assert {"teacher_queue.anchors", "teacher_queue.pointer", "student_queue.anchors"} <= state.keys()
    assert any(key.startswith("key_encoder.network.net.") for key in state)
    assert not any(key.startswith("teacher.") for key in state), "a frozen teacher has no place in a state"
    assert int(state["teacher_queue.pointer"]) == (5 * 4 + 4 + 5 * 4) % 24
