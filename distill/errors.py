"""Errors that a user can mend, and how command-line tools show them."""

import difflib
import errno
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NoReturn

_format = warnings.formatwarning
MENDABLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM)


class UserError(ValueError):
    """A mistake the user can mend: one line that names the file or key and the valid choices."""


class Odd(UserWarning):
    """Something in a file that is left out, or made anew, while the work goes on."""


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


def explain(error: BaseException) -> tuple[str, int, bool]:
    """What a tool prints of an error, its exit code, and whether it is an expected one.

    Expected are ``UserError``, a full disk, a missing permission and Ctrl-C: one line, and exit code 2 (130
    for Ctrl-C). Anything else is a bug and keeps its traceback, as all do under ``DISTILL_TRACEBACK=1``.
    """
    if isinstance(error, KeyboardInterrupt):
        text, code, expected = "error: interrupted", 130, True
    elif isinstance(error, UserError):
        text, code, expected = f"error: {_one_line(error)}", 2, True
    elif isinstance(error, OSError) and error.errno in MENDABLE:
        where = f": {error.filename}" if error.filename else ""
        text, code, expected = f"error: {os.strerror(error.errno)}{where}", 2, True
    else:
        text, code, expected = "", 1, False
    if not expected or os.environ.get("DISTILL_TRACEBACK") == "1":
        text = "".join(traceback.format_exception(error)).rstrip()
    return text, code, expected


def run_cli(main: Callable[[], int | None]) -> NoReturn:
    """Runs a tool's ``main`` and exits with the code that it returns.

    Expected failures become one line on stderr; see ``explain``. ``DISTILL_TRACEBACK=1`` or
    ``--traceback`` on the command line shows the traceback as well. ``Odd`` warnings are one line, too.
    """
    if "--traceback" in sys.argv:
        sys.argv.remove("--traceback")
        os.environ["DISTILL_TRACEBACK"] = "1"
    warnings.formatwarning = _format_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that is not UTF-8 is shown all the same
    try:
        sys.exit(main() or 0)
    except (KeyboardInterrupt, UserError, OSError) as error:
        text, code, expected = explain(error)
        if not expected or os.environ.get("DISTILL_TRACEBACK") == "1":
            raise
        print(text, file=sys.stderr, flush=True)
        sys.exit(code)


@contextmanager
def told_by_first() -> Iterator[None]:
    """Within it, mistakes that all processes of a launcher find alike are told by the first of them alone."""
    if os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0":
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            yield
        except UserError:
            sys.exit(2)


def _format_warning(message, category, filename, lineno, line=None) -> str:
    if issubclass(category, Odd):
        return f"warning: {' '.join(str(message).splitlines())}\n"
    return _format(message, category, filename, lineno, line)


def _one_line(error: UserError) -> str:
    text = str(error)
    if " in DataLoader worker process " in text:  # torch puts that process's traceback before the message
        text = text.strip().split("\n")[-1].partition(": ")[2]
    return " ".join(text.splitlines())
