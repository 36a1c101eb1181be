"""distill.commands: what a tool starts, its log, its failure, and its end when the tool is killed."""

import os
import signal
import subprocess
import sys

import pytest

from distill.commands import call_logged
from distill.errors import UserError
from tests.processes import ROOT, alive, wait_until

CHILD = """
import os, pathlib, signal, sys, time
def end(*_):
    print("error: asked to end", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
pathlib.Path("pid.part").write_text(str(os.getpid()))
os.rename("pid.part", "pid")
time.sleep(600)
"""


def test_output_and_failure_are_in_the_log(tmp_path):
    log = tmp_path / "log.txt"
    call_logged([sys.executable, "-c", "print(1 + 1)"], log)
    assert log.read_text().splitlines()[1:] == ["2"]
    with pytest.raises(UserError, match=r"^no such thing \(.*log.txt\)$"):
        call_logged([sys.executable, "-c", "raise SystemExit('error: no such thing')"], log)
    assert log.read_text().splitlines()[-2:] == ["error: no such thing", "exit code 1"]


def test_a_command_is_asked_to_end_when_the_tool_is_killed(tmp_path):
    tool = (
        "import sys, pathlib; from distill.commands import call_logged;"
        "call_logged([sys.executable, '-c', sys.argv[1]], pathlib.Path('log.txt'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen([sys.executable, "-c", tool, CHILD], cwd=tmp_path, env=environment)
    wait_until((tmp_path / "pid").exists)
    child = int((tmp_path / "pid").read_text())
    assert alive(child)
    started.send_signal(signal.SIGKILL)
    started.wait(60)
    wait_until(lambda: not alive(child))
    assert (tmp_path / "log.txt").read_text().endswith("error: asked to end\n")
