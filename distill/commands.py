"""Commands of this project that others call."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from distill.errors import UserError
from distill.parent import end_with_parent


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
