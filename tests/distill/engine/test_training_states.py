"""Training states: whole or not there, a set number of them, plain, and older ones still go on."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from distill import pretrain
from distill.engine.training_states import find_training_state, read_training_state, remove_unfinished
from distill.errors import UserError
from distill.results.atomic import write_tensors
from tests.distill.methods.small import SMALL, Inputs, arguments

# as configs were before TrainingStateHook: mmengine's hook, which serialises a state in memory
BY_MMENGINE = {
    "default_hooks.checkpoint": dict(
        type="CheckpointHook", interval=3, by_epoch=False, max_keep_ckpts=-1,
        backend_args=dict(backend="atomic"),
    ),
    "custom_hooks": [
        dict(type=name)
        for name in ("RepeatableHook", "ProgressHook", "PlainStateHook", "FiniteLossHook", "ExportHook")
    ],
}  # fmt: skip


def run(inputs: Inputs, work_dir: Path, resume: bool | str = False, **options) -> None:
    """Ten steps of CompRess-2q: two queues, a key encoder and an optimiser with momentum."""
    pretrain(
        **arguments("compress_2q", inputs), work_dir=str(work_dir), seed=3, resume=resume, say=lambda _: None,
        cfg_options=SMALL["compress_2q"].options | options,
    )  # fmt: skip


def every(steps: int, keep: int) -> dict:
    """Options: a state every ``steps`` steps, of which the newest ``keep`` stay."""
    hook = "default_hooks.checkpoint"
    return {f"{hook}.by_epoch": False, f"{hook}.interval": steps, f"{hook}.max_keep_ckpts": keep}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.endswith((".pth", ".part"))}


def test_the_newest_states_stay_after_a_resume_as_well(method_inputs, tmp_path):
    run(method_inputs, tmp_path, **every(3, keep=-1))
    assert names(tmp_path) == {"iter_3.pth", "iter_6.pth", "iter_9.pth", "iter_10.pth", "last.pth"}
    (tmp_path / "iter_10.pth").unlink()
    run(method_inputs, tmp_path, resume=True, **every(1, keep=1))
    assert names(tmp_path) == {"iter_10.pth", "last.pth"}


def test_a_run_that_ended_after_its_last_state_writes_the_student_as_it_goes_on(method_inputs, tmp_path):
    """It was killed, or the disk was full: the student may be missing, or be that of the epoch before."""
    run(method_inputs, tmp_path)
    student = tmp_path / "last.pth"
    content = student.read_bytes()
    student.unlink()
    run(method_inputs, tmp_path, resume=True)
    assert student.read_bytes() == content


def test_a_state_that_mmengine_wrote_goes_on_to_the_same_end(method_inputs, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    run(method_inputs, old, **BY_MMENGINE)
    run(method_inputs, new, resume=str(old / "iter_6.pth"), **every(3, keep=-1))
    expected, found = (torch.load(folder / "iter_10.pth", weights_only=True) for folder in (old, new))
    assert expected.keys() == found.keys()
    for key, value in expected["state_dict"].items():
        assert torch.equal(value, found["state_dict"][key]), key
    for number, slots in expected["optimizer"]["state"].items():
        for key, value in slots.items():
            assert torch.equal(value, found["optimizer"]["state"][number][key])


WRITER = """
import sys, torch
from distill.results.atomic import write_tensors
for number in range(10000):
    write_tensors(sys.argv[1], {"meta": {}, "state_dict": {"queue": torch.full((4_000_000,), number)}})
    print(number, flush=True)
"""


@pytest.mark.parametrize("wait", [0.0, 0.004, 0.011, 0.02])
def test_kill_9_at_any_moment_leaves_a_whole_state(wait, tmp_path):
    """A process rewrites 32 MB again and again, and is killed ``wait`` seconds after its third time."""
    path = tmp_path / "iter_1.pth"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )  # fmt: skip
    for _ in range(3):
        number = int(process.stdout.readline())
    time.sleep(wait)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    queue = read_training_state(path)["state_dict"]["queue"]
    assert (queue == queue[0]).all() and int(queue[0]) >= number
    remove_unfinished(tmp_path)
    assert names(tmp_path) == {"iter_1.pth"}


def test_a_full_disk_leaves_the_older_state(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        state = {"meta": {}, "state_dict": {"queue": torch.ones(500_000)}}  # 2 MB
        write_tensors(disk / "iter_1.pth", state)
        with pytest.raises(OSError) as error:
            write_tensors(disk / "iter_2.pth", state)
        assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(disk / "iter_2.pth"))
        assert names(disk) == {"iter_1.pth"}
        queue = read_training_state(disk / "iter_1.pth")["state_dict"]["queue"]
        assert torch.equal(queue, torch.ones(500_000))
        del queue  # it is mapped, and the disk cannot go before it
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_that_is_removed_while_a_run_goes_on_from_it_leaves_the_disk(tmp_path):
    """What a network and an optimiser hold after loading is their own: no page of the file stays mapped."""
    layer = torch.nn.Linear(300, 300)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer(torch.ones(300)).sum().backward()
    optimizer.step()
    path = tmp_path / "iter_1.pth"
    write_tensors(path, {"meta": {}, "state_dict": layer.state_dict(), "optimizer": optimizer.state_dict()})
    state = read_training_state(path)
    assert str(path) in Path("/proc/self/maps").read_text(), "read through a map, not into memory"
    layer.load_state_dict(state["state_dict"])
    optimizer.load_state_dict(state["optimizer"])
    del state
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_no_memory_beside_the_state_is_taken(run_tool, tmp_path):
    """64 MB; mmengine's functions, beside it, hold the whole file."""
    shown = run_tool("benchmark_training_state.py", "--length", 2000, "--folder", tmp_path)
    assert shown.returncode == 0, shown.stderr
    memory = {
        name.strip(): int(size) for name, size in re.findall(r"^(\D+) .* (\d+) MB of", shown.stdout, re.M)
    }
    assert max(memory["training waits"], memory["the disk takes"], memory["read here"]) < 20, shown.stdout
    assert memory["written by mmengine"] > 60
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "config key default_hooks.checkpoint.interval is 0; it must be 1 or more"),
        ({"max_keep_ckpts": 0}, "default_hooks.checkpoint.max_keep_ckpts is 0; it must be 1 or more, or -1"),
        ({"keep": 3}, "unknown config key 'default_hooks.checkpoint.keep'; "),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(options, message, method_inputs, tmp_path):
    options = {f"default_hooks.checkpoint.{key}": value for key, value in options.items()}
    with pytest.raises(UserError, match=re.escape(message)):
        run(method_inputs, tmp_path, **options)


def test_files_that_are_no_state_are_refused_in_one_line(tmp_path):
    path = tmp_path / "iter_1.pth"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=re.escape(f"{path}: not a whole checkpoint")):
        read_training_state(path)
    torch.save({"weight": torch.ones(1)}, path)
    with pytest.raises(UserError, match=re.escape(f"{path}: not a training state; its keys are weight")):
        read_training_state(path)
    assert find_training_state(tmp_path) == path
