"""Commands of this project that others call."""

import shlex
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from distill.errors import UserError


def call_logged(command: Sequence[str], log: Path, pass_fds: Iterable[int] = ()) -> None:
    """Runs a command whose output goes to the end of a log, after the command itself.

    Args:
        pass_fds: files that stay open in the command, such as a lock that it keeps if this process is killed.

    Raises:
        UserError: it failed; with the last line that it wrote and the log's name.
    """
    with open(log, "a") as file:
        print(shlex.join(command), file=file, flush=True)
        code = subprocess.run(command, stdout=file, stderr=file, pass_fds=tuple(pass_fds)).returncode
        if code:
            last = log.read_text(errors="replace").splitlines()[-1]
            print(f"exit code {code}", file=file, flush=True)  # on a full disk it is this that fails
            raise UserError(f"{last.removeprefix('error: ')} ({log})")
