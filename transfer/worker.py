"""The process that trains and tests one seed: ``python -m transfer.worker JOB.json [--end-with-parent]``."""

import fcntl
import os
import re
import sys
import time
from pathlib import Path

from distill.errors import UserError, run_cli
from distill.results.atomic import write_json
from transfer.frameworks import FRAMEWORKS
from transfer.jobs.job import Job, load
from transfer.jobs.launch import RESULT
from transfer.jobs.queue import end_when_input_closes


def main() -> None:
    """Runs the job's framework; rank 0 writes ``result.json``."""
    if "--end-with-parent" in sys.argv:
        end_when_input_closes()
    job = load(sys.argv[1])
    main_process = int(os.environ.get("RANK", 0)) == 0
    started = time.monotonic()
    with open(Path(job.folder) / ".lock", "w") as lock:
        if main_process:
            _hold(lock, job.folder)
        try:
            metrics, resumed_from = _train(job)
        except UserError as error:
            raise UserError(_innermost(error)) from error
        if main_process:
            seconds = time.monotonic() - started
            content = {"metrics": metrics, "resumed_from": resumed_from, "seconds": seconds}
            write_json(Path(job.folder) / RESULT, content)
    from distill.peers import leave_group  # with torch, which is there by now

    leave_group()


def _hold(lock, folder: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"another process is training in {folder}") from error


def _innermost(error: UserError) -> str:
    """A data-loading process wraps an error in its traceback; the message is its last line."""
    return re.sub(r"^[\w.]*UserError: ", "", str(error).strip().splitlines()[-1])


def _train(job: Job) -> tuple[dict[str, float], int]:
    import torch

    torch.manual_seed(job.seed)
    return FRAMEWORKS[job.framework].part("trainer").train_and_test(job)


if __name__ == "__main__":
    run_cli(main)
