"""A run killed at any moment goes on bit for bit."""

import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from distill import pretrain
from tests import processes
from tests.distill.methods.small import SMALL, Inputs, arguments

ROOT = Path(__file__).resolve().parents[3]


def options(name: str) -> dict:
    """10 steps: 2 epochs of 5, batch 5 of 24 images (the last batch of an epoch is odd)."""
    return {
        **SMALL[name].options,
        # every 3 steps: states fall inside epochs, not only on their borders
        "default_hooks.checkpoint.by_epoch": False,
        "default_hooks.checkpoint.interval": 3,
        "default_hooks.checkpoint.max_keep_ckpts": -1,
        "default_hooks.logger.interval": 1,
    }


def run(name: str, inputs: Inputs, work_dir: Path, resume: bool = False, **more) -> None:
    """The run in this process, because starting another takes longer than the ten steps."""
    pretrain(
        **arguments(name, inputs), work_dir=str(work_dir), seed=3, resume=resume,
        cfg_options=options(name) | more, say=lambda line: None,
    )  # fmt: skip


def command(name: str, inputs: Inputs, work_dir: Path, *more: str) -> list[str]:
    """The same run as a command."""
    flags = [
        part
        for key, value in arguments(name, inputs).items()
        if value is not None
        for part in (f"--{key.replace('_', '-')}", str(value))
    ]
    tool = [sys.executable, str(ROOT / "tools" / "distill.py"), "--seed", "3", "--work-dir", str(work_dir)]
    changes = [f"{key}={value}" for key, value in options(name).items()]
    return [*tool, *flags, *more, "--cfg-options", *changes]


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


def kill_9_after_three_steps(name: str, inputs: Inputs, work_dir: Path, **more) -> None:
    victim = processes.start(run, name, inputs, work_dir, **more)
    deadline = time.time() + 240
    while not (work_dir / "iter_3.pth").exists() and time.time() < deadline:
        time.sleep(0.005)
    victim.kill()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL, "the run was over before it could be killed"
    # one state must remain to resume from, as after a crash early in the run
    for later in [p for p in work_dir.glob("iter_*.pth") if p.name != "iter_3.pth"]:
        later.unlink()


def assert_same_run(whole: Path, resumed: Path) -> None:
    for name in ("iter_6.pth", "iter_9.pth", "iter_10.pth"):
        if (whole / name).exists() or (resumed / name).exists():
            expected, found = training_state(whole / name), training_state(resumed / name)
            for part in ("state_dict", "optimizer", "param_schedulers"):
                assert_same(expected[part], found[part], f"{name}.{part}")
    assert_same(
        torch.load(whole / "last.pth")["backbone"], torch.load(resumed / "last.pth")["backbone"], "last.pth"
    )


@pytest.mark.parametrize("name", SMALL)
def test_ten_steps_equal_some_then_kill_9_then_the_rest(name, method_inputs, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(name, method_inputs, whole)
    kill_9_after_three_steps(name, method_inputs, broken)
    run(name, method_inputs, broken, resume=True)
    assert_same_run(whole, broken)


@pytest.mark.parametrize("name", ["byol", "swav"])
def test_views_finished_on_the_device_resume_as_well(name, method_inputs, tmp_path):
    whole, broken, there = tmp_path / "whole", tmp_path / "broken", {"augment_on": "device"}
    run(name, method_inputs, whole, **there)
    kill_9_after_three_steps(name, method_inputs, broken, **there)
    run(name, method_inputs, broken, resume=True, **there)
    assert_same_run(whole, broken)


def test_the_command_resumes_as_well(method_inputs, run_tool, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run("compress_2q", method_inputs, whole)
    kill_9_after_three_steps("compress_2q", method_inputs, broken)
    finished = run_tool("distill.py", *command("compress_2q", method_inputs, broken, "--resume")[2:])
    assert finished.returncode == 0, finished.stderr
    assert f"resuming from {broken / 'iter_3.pth'}" in finished.stdout
    assert_same_run(whole, broken)


def test_the_state_holds_queues_and_key_encoder(method_inputs, tmp_path):
    run("compress_2q", method_inputs, tmp_path)
    state = training_state(tmp_path / "iter_9.pth")["state_dict"]
    assert {"teacher_queue.anchors", "teacher_queue.pointer", "student_queue.anchors"} <= state.keys()
    assert any(key.startswith("key_encoder.network.net.") for key in state)
    assert not any(key.startswith("teacher.") for key in state), "a frozen teacher has no place in a state"
    assert int(state["teacher_queue.pointer"]) == (5 * 4 + 4 + 5 * 4) % 24
