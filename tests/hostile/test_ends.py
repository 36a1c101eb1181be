"""What a process that is killed leaves behind: no data worker, two seconds later."""

import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import psutil
import pytest

from tests import processes


def kill_with_workers(victim: BaseProcess, running: Callable[[], bool]) -> list[psutil.Process]:
    """Kills a process (-9) once it has two workers and is at work; returns those that live on."""
    process = psutil.Process(victim.pid)
    while len(workers := process.children()) < 2 or not running():
        assert victim.is_alive()
        time.sleep(0.002)
    victim.kill()
    victim.join()
    return processes.alive_after(2, workers)


@pytest.mark.parametrize("augment_on", ["worker", "device"])
def test_workers_of_a_training_end_with_it(augment_on, image_folder, tmp_path):
    run = tmp_path / "run"
    arguments = ("--method", "simclr", "--student", "test_resnet", "--data", image_folder, "--work-dir", run)
    size = ("--epochs", 500, "--batch-size", 8, "--image-size", 32, "--workers", 2)
    where = ("--cfg-options", f"augment_on={augment_on}", "default_hooks.checkpoint.by_epoch=False")
    victim = processes.start_tool("distill.py", *arguments, *size, *where)
    assert not kill_with_workers(victim, lambda: any(run.glob("iter_*.pth")))


def test_workers_of_a_teacher_s_cache_end_with_it(image_folder, teacher_file, tmp_path):
    arguments = ("--data", image_folder, "--teacher", teacher_file, "--out", tmp_path / "cache")
    victim = processes.start_tool(
        "cache_teacher.py", *arguments, "--image-size", 224, "--batch-size", 1, "--workers", 2
    )
    assert not kill_with_workers(victim, lambda: (tmp_path / "cache").exists())
