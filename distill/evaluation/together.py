"""Evaluation in the middle of a run of several processes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import torch.distributed as dist

from distill.backbones import Backbone
from distill.distributed import rank, world_size
from distill.errors import UserError

SECONDS_BETWEEN_LOOKS = 0.5


@contextmanager
def together(student: Backbone, folder: Path) -> Iterator[Backbone]:
    """The first process's student in every process, and a folder for its features meanwhile.

    Each process has batch-norm statistics of its own; the others get a copy of the student with the first
    one's. At the end they wait for the first, which has more to do: by looking for a file, since waiting in
    a collective operation is cut off by the process group's time-out (NCCL: 10 minutes).

    Raises:
        UserError: a process that does not see the folder.
    """
    done = folder / "evaluated"
    if rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)  # left by a run that was killed here
        folder.mkdir()
    else:
        student = student.copy()
    if world_size() > 1:
        for tensor in chain(student.parameters(), student.buffers()):
            dist.broadcast(tensor.detach(), 0)  # comes behind the folder
        if not folder.is_dir():
            raise UserError(
                f"{folder.parent} is not on storage that all processes share: name another work_dir"
            )
    try:
        yield student
    finally:
        if rank() == 0:
            done.touch()
    while not done.exists():
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if world_size() > 1:
        dist.barrier()  # all have seen it
    if rank() == 0:
        shutil.rmtree(folder)
