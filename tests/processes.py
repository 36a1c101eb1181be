"""Processes for tests, forked from one that has imported what runs import, because that takes longest."""

import gc
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import torch
import torch.distributed as dist
from mmengine.config import config

ROOT = Path(__file__).resolve().parents[1]
_FORKED = multiprocessing.get_context("forkserver")
# A process of pytest has one such server, so there is one list for all tests. The last four are what mmengine
# imports when a run begins.
_FORKED.set_forkserver_preload(
    [
        "pytest", "distill.engine.pretrain", "distill.evaluation.run", "distill.features",
        "distill.targets.cached", "tests.distill.methods.small",
        "torch.utils.tensorboard", "mmcv.ops", "matplotlib.backends.backend_agg", "distutils.errors",
    ]
)  # fmt: skip


def start(function: Callable, *arguments, **settings) -> BaseProcess:
    """Starts ``function(*arguments, **settings)``; the function stands at the top of a test module."""
    process = _FORKED.Process(target=_run, args=(function, arguments, settings))
    process.start()
    return process


def _run(function: Callable, arguments: tuple, settings: dict) -> None:
    multiprocessing.set_start_method(None, force=True)  # for data workers the system's own, not this server
    gc.freeze()  # a collection need not look through what was imported
    config.FormatCode = unformatted
    function(*arguments, **settings)


def unformatted(text: str, **options) -> tuple[str, bool]:
    """In place of yapf's ``FormatCode``, by which mmengine breaks a config's lines a dozen times a run."""
    return text, True


def start_tool(name: str, *arguments, errors: str | os.PathLike = os.devnull) -> BaseProcess:
    """Starts ``tools/NAME ARGUMENTS``; what it says on stderr is in the file ``errors``, the rest is lost."""
    return start(_tool, name, list(map(str, arguments)), errors)


def _tool(name: str, arguments: list[str], errors: str | os.PathLike) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with Ctrl-C ignored
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and one under nohup with this
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    sys.stdout, sys.stderr = open(os.devnull, "w"), open(2, "w", closefd=False)
    sys.argv = [name, *arguments]
    runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")


def alive(pid: int) -> bool:
    """Whether the process of a number runs. A zombie does not: it waits for the system to take note."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Returns as soon as ``true()``; after the seconds the test fails."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive_after(seconds: float, workers: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended by then, zombies aside."""
    there = psutil.wait_procs(workers, timeout=seconds)[1]
    return [each for each in there if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def in_two(function: Callable, folder: Path, *arguments, **group) -> list:
    """What ``function(rank, *arguments)`` returns in each of two processes, which are a gloo group.

    Args:
        folder: where they meet, and leave what they return.
        group: arguments of ``init_process_group``, such as its time-out.
    """
    pair = [start(_one_of_two, function, folder, rank, arguments, group) for rank in (0, 1)]
    for process in pair:
        process.join(300)
    assert [process.exitcode for process in pair] == [0, 0], "a process failed: see stderr"
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


def _one_of_two(function: Callable, folder: Path, rank: int, arguments: tuple, group: dict) -> None:
    os.environ["LOCAL_RANK"] = str(rank)
    meeting = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, **group)
    torch.save(function(rank, *arguments), folder / f"{rank}.pt")
    dist.destroy_process_group()
