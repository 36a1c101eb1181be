"""A chain: a command that is killed at drawn moments, given again each time, and then left to its end."""

import os
import random
import runpy
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from tests import processes
from tests.kill.kinds import Kind

LONGEST = 600  # seconds
KILLS = 3  # in one chain, at most


@dataclass(frozen=True)
class Whole:
    """The run that nobody kills: its result, and how many seconds it takes."""

    result: dict
    seconds: float


@dataclass(frozen=True)
class Chain:
    """How a killed run ended.

    Attributes:
        kills: the seconds after which a process was killed; a draw that came after its end is not among them.
        late: how many draws came after the end.
        different: what is not as in the whole run; "" if all is.
    """

    kills: tuple[float, ...]
    late: int
    different: str


def warm_up() -> None:
    """Has the server of processes import what runs import, which would count as time of the first one."""
    processes.start(os.getpid).join()


def whole(kind: Kind, folder: Path) -> Whole:
    """Runs the command to its end."""
    started = time.monotonic()
    _attempt(kind.command, folder, LONGEST)
    return Whole(kind.result(folder / "run"), time.monotonic() - started)


def chain(kind: Kind, expected: Whole, folder: Path, kills: int, draw: random.Random) -> Chain:
    """Kills the run ``kills`` times at moments between its start and the whole run's length."""
    command, moments, late = kind.command, [], 0
    for _ in range(kills):
        moment = draw.uniform(0, expected.seconds)
        if not _attempt(command, folder, moment):
            late += 1
            break
        moments.append(moment)
        command = kind.command + kind.again
    else:
        _attempt(command, folder, LONGEST)
    found = kind.result(folder / "run")
    return Chain(tuple(moments), late, ", ".join(differing(expected.result, found)))


def differing(one: object, other: object, where: str = "") -> Iterator[str]:
    """The places at which two nested values are not the same bit for bit."""
    if type(one) is not type(other):
        yield where
    elif isinstance(one, dict):
        for key in one.keys() | other.keys():
            yield from differing(one.get(key, ...), other.get(key, ...), f"{where}/{key}")
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            yield where
        for number, pair in enumerate(zip(one, other, strict=False)):
            yield from differing(*pair, f"{where}/{number}")
    elif not (torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other):
        yield where


def _attempt(command: tuple[str, ...], folder: Path, seconds: float) -> bool:
    """Starts the command and kills it, with all that it started, after ``seconds``; False: it had ended.

    Raises:
        RuntimeError: it failed by itself, or took longer than ``LONGEST``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    process = processes.start(run_tool, command, folder)
    process.join(seconds)
    if process.is_alive():
        _kill(process.pid)
        process.join()
    killed = process.exitcode == -signal.SIGKILL
    if process.exitcode != 0 and not (killed and seconds < LONGEST):
        raise RuntimeError(
            f"{' '.join(command)}: exit code {process.exitcode}: {(folder / 'log.txt').read_text()}"
        )
    return killed


def run_tool(command: tuple[str, ...], folder: Path) -> None:
    """Runs a tool, in this process, as the first of a group of processes of its own."""
    os.setsid()
    os.chdir(folder)
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1), os.dup2(log, 2)
    if command[0] == "-m":
        sys.argv = list(command[1:])
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    sys.argv = list(command)
    runpy.run_path(str(processes.ROOT / "tools" / command[0]), run_name="__main__")


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not come to its own group yet
        os.kill(pid, signal.SIGKILL)
