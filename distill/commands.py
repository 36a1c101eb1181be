"""The tools of this project: where they are, how a person starts them, how they call each other."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from distill.errors import UserError
from distill.parent import end_with_parent

_ROOT = Path(__file__).resolve().parent.parent
_INSTALLED = _ROOT / "distill_tools"
NOT_FOR_USERS = ("benchmark_", "build_docs")  # what these names begin with


def tools_folder() -> Path:
    """The folder ``tools``, which is called ``distill_tools`` when installed; beside the package."""
    return _INSTALLED if _INSTALLED.is_dir() else _ROOT / "tools"


def tools() -> dict[str, Path]:
    """Name -> file of the tools for users, by name."""
    files = [file for file in tools_folder().iterdir() if file.suffix in (".py", ".sh")]
    return {file.stem: file for file in sorted(files) if not file.name.startswith(NOT_FOR_USERS)}


def started(name: str) -> list[str]:
    """The words by which a person starts a Python tool."""
    if tools_folder() == _INSTALLED:
        return ["distill", name]
    return ["python", from_here(tools()[name])]


def from_here(file: Path) -> str:
    """Its path from this folder, or, from elsewhere, from the root."""
    here = os.path.relpath(file)
    return str(file) if here.startswith("..") else here


def call_logged(command: Sequence[str], log: Path, pass_fds: Iterable[int] = ()) -> None:
    """Runs a command whose output goes to the end of a log, after the command itself.

    If this process is killed, the command is asked to end (SIGTERM).

    Args:
        pass_fds: files that stay open in the command, such as a lock that it keeps until it has ended.

    Raises:
        UserError: it failed; with the last line that it wrote and the log's name.
    """
    with open(log, "a") as file:
        print(shlex.join(command), file=file, flush=True)
        code = subprocess.run(
            command, stdout=file, stderr=file, pass_fds=tuple(pass_fds),
            preexec_fn=partial(end_with_parent, os.getpid(), signal.SIGTERM),
        ).returncode  # fmt: skip
        if code:
            last = log.read_text(errors="replace").splitlines()[-1]
            print(f"exit code {code}", file=file, flush=True)  # on a full disk it is this that fails
            raise UserError(f"{last.removeprefix('error: ')} ({log})")
