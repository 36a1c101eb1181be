"""What a data worker says when its parent ends while it takes a tensor; torch sends one as a descriptor."""

import os
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Client, Connection
from multiprocessing.process import current_process
from multiprocessing.resource_sharer import DupFd
from pathlib import Path

import pytest

from distill.data.workers import ending_with_us
from tests import processes


def hand_out(begin: Callable[[int], None], parent: Connection, errors: Path) -> None:
    """As a worker does that has two tensors."""
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    sys.stderr = open(2, "w", closefd=False)
    begin(0)
    parent.send([DupFd(2), DupFd(2)])
    parent.recv()


@pytest.fixture
def worker(tmp_path):
    """The address of what it hands out, and a function that has it end and returns what it said."""
    here, there = Pipe()
    process = processes.start(hand_out, ending_with_us(), there, tmp_path / "errors")
    there.close()
    numbers = here.recv()

    def said() -> str:
        os.close(numbers[1].detach())  # it serves one after another, so that it has met all before
        here.send("end")
        process.join()
        return (tmp_path / "errors").read_text()

    return numbers[0]._id[0], said


def ask(address: str, *message) -> None:
    with Client(address, authkey=current_process().authkey) as connection:
        if message:
            connection.send(message)


def test_of_a_parent_that_ends_it_says_nothing(worker):
    address, said = worker
    ask(address)
    assert said() == ""


def test_any_other_error_is_shown(worker):
    address, said = worker
    ask(address, 99, os.getpid())  # which was never handed out
    assert said().endswith("KeyError: 99\n")
