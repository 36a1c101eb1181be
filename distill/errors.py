"""Errors that a user can mend, and how command-line tools show them."""

import difflib
import errno
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn


class UserError(ValueError):
    """A mistake the user can mend: one line that names the file or key and the valid choices."""


def unknown(kind: str, name: str, valid: Iterable[str], at_most: int = 30) -> UserError:
    """The error for a name outside a known set, with the nearest valid names first.

    >>> str(unknown("method", "comprss_1q", ["compress_1q", "seed"]))
    "unknown method 'comprss_1q'; did you mean 'compress_1q'? valid: compress_1q, seed"
    """
    valid = sorted(valid)
    near = difflib.get_close_matches(str(name), valid, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ";"
    shown = ", ".join(valid) if len(valid) <= at_most else f"any of {len(valid)} names"
    return UserError(f"unknown {kind} {name!r}{hint} valid: {shown}")


def run_cli(main: Callable[[], int | None]) -> NoReturn:
    """Runs a tool's ``main`` and exits with the code that it returns.

    Expected failures (``UserError``, a full disk, a missing permission, Ctrl-C) become one line on
    stderr and exit code 2 (130 for Ctrl-C). ``DISTILL_TRACEBACK=1`` or ``--traceback`` on the command
    line shows the traceback as well. Anything else is a bug and keeps its traceback.
    """
    wants_traceback = os.environ.get("DISTILL_TRACEBACK") == "1" or "--traceback" in sys.argv
    if "--traceback" in sys.argv:
        sys.argv.remove("--traceback")
    try:
        sys.exit(main() or 0)
    except KeyboardInterrupt:
        _leave("interrupted", 130, wants_traceback)
    except UserError as error:
        _leave(_one_line(error), 2, wants_traceback)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        where = f": {error.filename}" if error.filename else ""
        _leave(f"{os.strerror(error.errno)}{where}", 2, wants_traceback)


def _one_line(error: UserError) -> str:
    text = str(error)
    if " in DataLoader worker process " in text:  # torch puts that process's traceback before the message
        text = text.strip().split("\n")[-1].partition(": ")[2]
    return " ".join(text.split("\n"))


def _leave(message: str, code: int, wants_traceback: bool) -> NoReturn:
    if wants_traceback:
        raise
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)
