"""Three real processes that end together."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from distill.errors import UserError
from distill.peers import LOST, Alone, ending_together
from tests import processes

Body = Callable[[int, Alone], None]


def run(rank: int, port: int, folder: Path, body: Body) -> None:
    meeting = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": "3"}
    os.environ.update(meeting, RANK=str(rank), LOCAL_RANK=str(rank))
    sys.stderr = open(folder / f"{rank}.txt", "w")
    with ending_together(True) as peers:
        (folder / f"{rank}.came").touch()
        body(rank, peers)


class Three:
    """Three processes that run ``body`` together."""

    def __init__(self, folder: Path, body: Body):
        self.folder = folder
        with socket.create_server(("localhost", 0)) as server:
            port = server.getsockname()[1]
        self.processes = [processes.start(run, rank, port, folder, body) for rank in range(3)]

    def send(self, rank: int, number: int) -> str:
        """Sends a signal to one when all have come; returns how the others call it."""
        while len(list(self.folder.glob("*.came"))) < 3:
            time.sleep(0.01)
        pid = self.processes[rank].pid
        os.kill(pid, number)
        return f"process {rank} (pid {pid} on {socket.gethostname()})"

    def ended(self) -> tuple[list[int], str]:
        """Exit codes, and all that was written to stderr."""
        for process in self.processes:
            process.join(30)
        errors = "".join((self.folder / f"{rank}.txt").read_text() for rank in range(3))
        return [process.exitcode for process in self.processes], errors


def leave_in_turn(rank: int, peers: Alone) -> None:
    assert peers.agreed("number", 10 + rank) == 10, "what the first process says holds for all"
    time.sleep(0.2 * (2 - rank))


def wait(rank: int, peers: Alone) -> None:
    time.sleep(60)


def mistake_of_first(rank: int, peers: Alone) -> None:
    if rank > 0:
        time.sleep(60)
    raise UserError("no folder here")


def mistake_of_last(rank: int, peers: Alone) -> None:
    if rank < 2:
        time.sleep(60)
    raise UserError("no folder here")


def mistake_of_all(rank: int, peers: Alone) -> None:
    raise UserError("no folder here")


def bug_of_all(rank: int, peers: Alone) -> None:
    raise KeyError("a bug")


def broken_by_the_last(rank: int, peers: Alone) -> None:
    if rank == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("Connection closed by peer")  # as gloo's operations fail


def with_strangers(rank: int, peers: Alone) -> None:
    for words in (b"GET / HTTP/1.1\r\n\r\n", b"", b"\0\0\0\2{}", b"\0\0\0\x015"):
        if rank == 0:
            with socket.create_connection(peers._server.getsockname()) as caller:
                caller.sendall(words)


@pytest.mark.parametrize("body", [leave_in_turn, with_strangers])
def test_all_leave_when_all_are_done(body, tmp_path):
    assert Three(tmp_path, body).ended() == ([0, 0, 0], "")


@pytest.mark.parametrize("body", [mistake_of_first, mistake_of_last, mistake_of_all])
def test_a_mistake_ends_all_and_is_told_once(body, tmp_path):
    assert Three(tmp_path, body).ended() == ([2, 2, 2], "error: no folder here\n")


def test_a_bug_keeps_its_traceback_but_not_three_of_them(tmp_path):
    codes, errors = Three(tmp_path, bug_of_all).ended()
    assert codes == [1, 1, 1]
    assert errors.startswith("Traceback") and errors.count("KeyError: 'a bug'") == 1


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_killed_process_is_named_by_another(rank, tmp_path):
    three = Three(tmp_path, wait)
    name = three.send(rank, signal.SIGKILL)
    codes, errors = three.ended()
    assert codes == [-signal.SIGKILL if number == rank else LOST for number in range(3)]
    why = "it was killed, or its machine is gone; the same command with --resume goes on"
    assert errors == f"error: {name} was lost: {why}\n"


def test_the_cause_is_told_and_not_what_follows_from_it(tmp_path):
    codes, errors = Three(tmp_path, broken_by_the_last).ended()
    assert codes == [LOST, LOST, -signal.SIGKILL]
    assert errors.startswith("error: process 2 (pid") and "Connection closed" not in errors


def test_a_process_that_is_asked_to_end_says_so(tmp_path):
    three = Three(tmp_path, wait)
    name = three.send(1, signal.SIGTERM)
    line = f"error: {name} was asked to end (SIGTERM); the same command with --resume goes on\n"
    assert three.ended() == ([143, 143, 143], line)


def test_a_run_of_one_process_needs_no_peers(monkeypatch):
    with ending_together(False) as peers:
        assert isinstance(peers, Alone) and peers.first and peers.agreed("name", 3) == 3
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(KeyError), ending_together(True) as peers:
        assert isinstance(peers, Alone)
        raise KeyError
