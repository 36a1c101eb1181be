"""Commands side by side, each on devices of its own; none outlives the process that started it."""

import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Place = tuple[str, ...]  # CUDA devices of one command, as CUDA_VISIBLE_DEVICES names them; (): the CPU


@dataclass(frozen=True)
class Task:
    """A command, what is added to its environment, and the file that its output is appended to."""

    name: str
    command: tuple[str, ...]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)


class Process:
    """A task that runs, in a session of its own.

    Its standard input is a pipe that nothing is written to. It closes when this process ends, however that
    happens, and ``end_when_input_closes`` waits for that on the other side.
    """

    def __init__(self, task: Task, place: Place):
        self.task, self.place = task, place
        environment = {**os.environ, **task.environment, "CUDA_VISIBLE_DEVICES": ",".join(place)}
        with open(task.log, "ab") as log:
            self._begin = self._shown = log.tell()
            self._process = subprocess.Popen(
                task.command, env=environment, start_new_session=True,
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def poll(self) -> int | None:
        """The exit code (negative: the signal that killed it); None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """All that it has written so far."""
        return self._read(self._begin).decode(errors="replace")

    def new_lines(self) -> list[str]:
        """Whole lines that it wrote since the last call."""
        whole = self._read(self._shown).rpartition(b"\n")[0:2]
        self._shown += sum(map(len, whole))
        return whole[0].decode(errors="replace").splitlines()

    def note(self, line: str) -> None:
        """Writes a line of our own to its log."""
        with open(self.task.log, "a") as log:
            print(line, file=log)

    def _read(self, begin: int) -> bytes:
        with open(self.task.log, "rb") as log:
            log.seek(begin)
            return log.read()

    def stop(self) -> None:
        """Kills it and everything it started, if it still runs."""
        self._process.stdin.close()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def run_all(tasks: Iterable[Task], places: Sequence[Place], every: float = 0.1) -> Iterator[tuple]:
    """Runs every task on the first place that is free, in their order.

    Args:
        places: where one task each can run at the same time.
        tasks: taken one by one, when there is a place for the next.
        every: seconds between two looks at what runs.

    Yields:
        ("start", process), ("line", process, line of its output) and ("end", process). Leaving the loop,
        by Ctrl-C for instance, kills what still runs: use it under ``contextlib.closing``.
    """
    waiting, free, running = iter(tasks), list(places), []
    try:
        while True:
            while free and (task := next(waiting, None)):
                running.append(Process(task, free.pop(0)))
                yield "start", running[-1]
            if not running:
                return
            for process in list(running):
                ended = process.poll() is not None  # asked first: after that nothing more is written
                for line in process.new_lines():
                    yield "line", process, line
                if ended:
                    yield "end", process
                    running.remove(process)
                    free.append(process.place)
                    process.stop()
            time.sleep(every)
    finally:
        for process in running:
            process.stop()


def end_when_input_closes() -> None:
    """From now on this process, and all in its session's group, end when standard input closes."""
    assert stat.S_ISFIFO(os.fstat(0).st_mode), "standard input is the pipe that Process gives"

    def watch() -> None:
        os.read(0, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
