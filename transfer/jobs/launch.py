"""One seed as a process of its own, or one process a GPU: its command, and what came of it."""

import errno
import os
import signal
import sys
from pathlib import Path

from distill.errors import UserError
from distill.results.lines import parse_object
from transfer.jobs.job import Job, Run
from transfer.jobs.queue import Process, Task

RESULT = "result.json"


def task(name: str, run: Run) -> Task:
    """Writes the run's files, and gives the command that trains and tests it.

    Each seed has its own process, so that seeds do not share random state or leaked memory, and a
    crash of the framework ends one seed only.

    Raises:
        UserError: the run's folder holds another run.
        FileNotFoundError: it is not there: what is removed meanwhile is not made again.
    """
    if not run.folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(run.folder))
    path = run.save()
    return Task(name, _command(run.job, path), run.folder / "train.log", _environment())


def result(run: Run) -> dict | None:
    """The content of ``result.json``: metrics, the step it was resumed from, seconds. None: not done yet.

    Raises:
        UserError: the file is damaged.
    """
    path = run.folder / RESULT
    if not path.exists():
        return None
    try:
        found = parse_object(path.read_bytes())
        metrics, seconds = found["metrics"], found["seconds"]
        if not all(isinstance(number, int | float) for number in [seconds, *metrics.values()]):
            raise ValueError("metrics or seconds that are no numbers")
        return {"metrics": metrics, "resumed_from": found["resumed_from"], "seconds": seconds}
    except (ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({error}); remove it, and the run is finished again") from error


def outcome(run: Run, process: Process) -> dict:
    """The result of a process that ended.

    Raises:
        UserError: it failed, with its own last error line and the log file's name.
        OSError: it failed, and its log has no room left for more.
    """
    found, code = result(run), process.poll()
    if code != 0 or found is None:
        reason = f"{_last_error(process.output())}; log: {process.task.log}"
        process.note(_describe(code))
        raise UserError(f"{process.task.name} failed ({_describe(code)}): {reason}")
    return found


def _command(job: Job, path: Path) -> tuple[str, ...]:
    module = ("-m", "transfer.worker", str(path), "--end-with-parent")
    if job.gpus > 1:
        torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={job.gpus}")
        return (sys.executable, *torchrun, *module)
    return (sys.executable, *module)


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _describe(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _last_error(output: str) -> str:
    """The last line that names an error; else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    named = [line for line in lines if line.startswith("error: ")]
    named = named or [line for line in lines if "Error" in line.split(":")[0] and not line.startswith("File")]
    return (named or lines or ["no output"])[-1].removeprefix("error: ")
