"""Runs one job in a process of its own, or one a GPU, and keeps its output in a log file."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from distill.errors import UserError
from transfer.jobs.job import Job, Run
from transfer.jobs.progress import MARK

RESULT = "result.json"


def launch(run: Run) -> dict:
    """Trains and tests; returns the content of ``result.json``. A run that has one is not repeated.

    Each job has its own process, so that seeds do not share random state or leaked memory, and a crash of
    the framework ends one seed only. All output goes to ``train.log``; progress lines are shown too.

    Raises:
        UserError: when the process fails, with its own last error line and the log file's name.
    """
    path, job = run.save(), run.job
    result = path.parent / RESULT
    if result.exists():
        return json.loads(result.read_text())
    log = path.parent / "train.log"
    before = log.stat().st_size if log.exists() else 0
    code = _run(_command(job, path), _environment(job), log)
    if code != 0 or not result.exists():
        what = f"{job.benchmark} seed {job.seed} failed ({_describe(code)})"
        raise UserError(f"{what}: {_last_error(log.read_bytes()[before:])}; log: {log}")
    return json.loads(result.read_text())


def _command(job: Job, path: Path) -> list[str]:
    module = ["-m", "transfer.worker", str(path)]
    if job.gpus > 1:
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={job.gpus}"]
        return [sys.executable, *torchrun, *module]
    return [sys.executable, *module]


def _environment(job: Job) -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    if job.gpus == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""  # else the frameworks would use a GPU that exists
    return environment


def _run(command: list[str], environment: dict[str, str], log: Path) -> int:
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with open(log, "a") as file, subprocess.Popen(command, env=environment, **piped) as process:
        try:
            for line in process.stdout:
                file.write(line)
                if line.startswith(MARK):
                    print(f"  {line.removeprefix(MARK).rstrip()}", flush=True)
        except BaseException:
            process.terminate()
            raise
    return process.returncode


def _describe(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _last_error(output: bytes) -> str:
    """The last line that names an error; else the last line."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    named = [line for line in lines if line.startswith("error: ")]
    named = named or [line for line in lines if "Error" in line.split(":")[0] and not line.startswith("File")]
    return (named or lines or ["no output"])[-1].removeprefix("error: ")
