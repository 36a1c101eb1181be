"""How a run ends that is killed, asked to end, or short of something: in one line, with no process left."""

import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from tests import processes

SIMCLR = ("--method", "simclr", "--student", "test_resnet", "--workers", 2, "--work-dir", "{out}")
SMALL = ("--epochs", 500, "--batch-size", 8, "--image-size", 32)
STATES = ("--cfg-options", "default_hooks.checkpoint.by_epoch=False")
# tool: (arguments, what is there once it is at work, what it says of what is kept)
AT_WORK = {
    "distill.py": (
        ("--data", "{data}", *SIMCLR, *SMALL, *STATES),
        "out/iter_*.pth",
        r".*/out/iter_\d+.pth is kept, the same command with --resume goes on from it",
    ),
    "cache_teacher.py": (
        ("--data", "{data}", "--teacher", "{teacher}", "--out", "{out}", "--batch-size", 1, "--workers", 2),
        "out/part-0.json",
        "the rows made so far are kept in .*/out, the same command goes on",
    ),
    "evaluate.py": (
        ("{teacher}", "--train", "{data}", "--val", "{data}", "--features", "{out}", "--results",
         "{out}/rows.jsonl", "--batch-size", 1, "--workers", 2),
        "out/*/part-0.json",
        "results so far are in .*/rows.jsonl, the same command goes on",
    ),
}  # fmt: skip


@pytest.fixture
def at_work(image_folder, teacher_file, tmp_path):
    """Starts a tool; returns its process and data workers when it is at work, and the file of its errors."""

    def begin(tool: str, *more: str) -> tuple[BaseProcess, list[psutil.Process], Path]:
        arguments, sign, _ = AT_WORK[tool]
        places = dict(data=image_folder, teacher=teacher_file, out=tmp_path / "out")
        given = [str(each).format(**places) for each in arguments]
        process = processes.start_tool(tool, *given, *more, errors=tmp_path / "errors")
        workers = psutil.Process(process.pid).children
        wait_until(lambda: any(tmp_path.glob(sign)) and len(workers()) >= 2, process)
        return process, workers(), tmp_path / "errors"

    return begin


def wait_until(true: Callable[[], bool], process: BaseProcess) -> None:
    while not true():
        assert process.is_alive()
        time.sleep(0.002)


@pytest.mark.parametrize(
    "command", [*((tool,) for tool in AT_WORK), ("distill.py", "augment_on=device")], ids=" ".join
)
def test_data_workers_end_with_a_killed_process(command, at_work):
    process, workers, _ = at_work(*command)
    process.kill()
    process.join()
    assert not processes.alive_after(2, workers)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, "interrupted (Ctrl-C)"),
        (signal.SIGTERM, "asked to end (SIGTERM)"),
        (signal.SIGHUP, "the terminal was closed (SIGHUP)"),
    ],
)
@pytest.mark.parametrize("tool", AT_WORK)
def test_a_signal_ends_it_in_one_line(tool, number, words, at_work):
    process, workers, errors = at_work(tool)
    psutil.Process(process.pid).send_signal(number)
    process.join(5)
    assert process.exitcode == 128 + number
    assert not processes.alive_after(2, workers)
    assert re.fullmatch(rf"error: {re.escape(words)}; {AT_WORK[tool][2]}\n", errors.read_text())


@pytest.mark.parametrize("how", ["removed", "renamed"])
@pytest.mark.parametrize("tool", AT_WORK)
def test_a_folder_that_is_removed_or_renamed_ends_it_and_is_not_made_again(tool, how, at_work, tmp_path):
    folder = tmp_path / "out"
    process, workers, errors = at_work(tool)
    folder.rename(tmp_path / "elsewhere")
    if how == "removed":
        shutil.rmtree(tmp_path / "elsewhere")
    process.join(20)
    assert process.exitcode == 2
    assert not folder.exists()
    assert not processes.alive_after(2, workers)
    gone = rf"no such file or folder: {folder}; was it removed or renamed meanwhile\?"
    assert re.fullmatch(rf"error: ({gone}|{folder}/.+ was removed .+)\n", errors.read_text())


def test_a_signal_to_the_data_workers_too_is_told_alone(at_work):
    """As ``scancel`` and torchrun send it."""
    process, workers, errors = at_work("distill.py")
    for each in (psutil.Process(process.pid), *workers):
        each.terminate()
    process.join(5)
    assert process.exitcode == 143
    assert not processes.alive_after(2, workers)
    line = r"error: asked to end \(SIGTERM\); "
    assert re.fullmatch(line + AT_WORK["distill.py"][2] + r"\n", errors.read_text())


def test_a_lost_data_worker_ends_it_in_one_line(at_work):
    process, (worker, other, *_), errors = at_work("distill.py")
    worker.kill()
    process.join(5)
    assert process.exitcode == 3
    assert not processes.alive_after(2, [other])
    how = "(Killed|it ended)"  # torch notices in two ways, and knows the signal by one of them
    line = rf"error: a data worker was lost \(pid {worker.pid}: {how}\), perhaps for want of memory; "
    assert re.fullmatch(line + AT_WORK["distill.py"][2] + r"\n", errors.read_text())


def test_before_there_is_a_state_it_says_so(image_folder, tmp_path):
    arguments = ("--data", image_folder, *SIMCLR[:-1], tmp_path / "out", *SMALL)
    process = processes.start_tool("distill.py", *arguments, errors=tmp_path / "errors")
    wait_until((tmp_path / "out/config.py").exists, process)
    process.terminate()
    process.join(5)
    kept = "no training state was written yet, the same command begins again"
    assert (tmp_path / "errors").read_text() == f"error: asked to end (SIGTERM); {kept}\n"


SLOW_TO_END = """
import signal, time
from distill.errors import run_cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with Ctrl-C ignored
def main():
    try:
        print("at work", flush=True)
        time.sleep(60)
    finally:
        print("ending", flush=True)
        time.sleep(60)
run_cli(main)
"""


def test_a_second_ctrl_c_ends_it_at_once():
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_END], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for said in ("at work\n", "ending\n"):
        assert process.stdout.readline() == said
        process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    assert process.stderr.read() == "error: interrupted (Ctrl-C) again: ended at once\n"


def with_little_memory(tool: str, arguments: list[str], errors: Path) -> None:
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + 400_000_000, resource.RLIM_INFINITY))
    processes._tool(tool, arguments, errors)


def test_want_of_memory_is_one_line(image_folder, tmp_path):
    work_dir = tmp_path / "out"
    arguments = ("--method", "simclr", "--student", "resnet18", "--workers", 0, "--work-dir", work_dir)
    size = ("--epochs", 1, "--batch-size", 24, "--image-size", 1024)
    given = [str(each) for each in ("--data", image_folder, *arguments, *size)]
    process = processes.start(with_little_memory, "distill.py", given, tmp_path / "errors")
    process.join(60)
    line = (tmp_path / "errors").read_text().splitlines()[-1]
    assert process.exitcode == 2, line
    assert re.match(r"error: out of memory \(.*\): try a smaller batch or fewer data workers; no", line)
