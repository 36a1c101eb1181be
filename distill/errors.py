"""Errors that a user can mend, and how command-line tools show them."""

import difflib
import errno
import io
import logging
import os
import re
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import NoReturn

_format = warnings.formatwarning
MENDABLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM)
TELLING = 1.0  # seconds in which the first process tells a mistake
LOST = 3  # exit code for a lost process: another one of the run, or a data worker
ENDING = {signal.SIGINT: "interrupted (Ctrl-C)", signal.SIGTERM: "asked to end (SIGTERM)"}
ENDING |= {signal.SIGHUP: "the terminal was closed (SIGHUP)"} if hasattr(signal, "SIGHUP") else {}


class UserError(ValueError):
    """A mistake the user can mend: one line that names the file or key and the valid choices."""


class Interrupted(KeyboardInterrupt):
    """The process was asked to end, by a signal that is a key of ``ENDING``."""

    def __init__(self, number: int):
        super().__init__(ENDING[number])
        self.code = 128 + number  # as shells count


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

    Expected are, in one line: a ``UserError``, a full disk, a missing permission, a file or folder that is
    gone, and want of memory (exit code 2), a lost data worker (3), Ctrl-C (130), SIGTERM (143) and SIGHUP
    (129). What ``kept`` knows stands behind it. Anything else is a bug (1) and keeps its traceback, as all do
    under ``DISTILL_TRACEBACK=1``.
    """
    text, code = expected(error)
    if not text or os.environ.get("DISTILL_TRACEBACK") == "1":
        return "".join(traceback.format_exception(error)).rstrip(), code, bool(text)
    return "; ".join([f"error: {text}", *getattr(error, "__notes__", [])]), code, True


def expected(error: BaseException) -> tuple[str, int]:
    """An expected error in words, and its exit code; "" and 1 for a bug."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or ENDING[signal.SIGINT], getattr(error, "code", 130)
    if isinstance(error, UserError):
        return _one_line(error), 2
    if isinstance(error, OSError) and error.errno in MENDABLE:
        return os.strerror(error.errno) + _where(error), 2
    if isinstance(error, FileNotFoundError) and str(error.strerror).startswith("No usable temporary"):
        return f"{error.strerror}: is the disk full?", 2
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"no such file or folder: {_gone(error)}; was it removed or renamed meanwhile?", 2
    reason = " ".join(str(error).split())
    if isinstance(error, MemoryError | OSError | RuntimeError) and _OUT_OF_MEMORY.search(
        f"{type(error).__name__}: {reason}"
    ):
        return f"out of memory ({reason[:120] or 'Python'}): try a smaller batch or fewer data workers", 2
    if isinstance(error, RuntimeError) and (found := _LOST_WORKER.search(reason)):
        how = found[2] or "it ended"
        return f"a data worker was lost (pid {found[1]}: {how}), perhaps for want of memory", LOST
    return "", 1


def _where(error: OSError) -> str:
    """The path that an error names; of a full disk, how much of it is free."""
    if not error.filename:
        return ""
    where = f": {os.fsdecode(error.filename)}"
    if error.errno != errno.ENOSPC:
        return where
    path = Path(os.fsdecode(error.filename)).absolute()
    folder = next(filter(os.path.isdir, map(str, (path, *path.parents))), "/")
    return f"{where} ({shutil.disk_usage(folder).free / 1e6:,.1f} MB free there)"


# torch has no class of its own for these but on GPUs
_OUT_OF_MEMORY = re.compile(r"^MemoryError|can(not|'t) allocate memory|out of memory", re.IGNORECASE)
_LOST_WORKER = re.compile(
    r"^DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (?:is killed by signal: ([\w ]+)|exited)"
)


@contextmanager
def kept(told: Callable[[], str], folder: str | os.PathLike) -> Iterator[None]:
    """Whatever ends the process within it, but for a mistake, is told with ``told()``.

    That says what is kept and which command goes on. Of several, one within the other, the outermost counts.
    """
    try:
        with naming(folder):
            yield
    except UserError:
        raise
    except BaseException as error:
        if os.path.isdir(folder) or not isinstance(error, FileNotFoundError):  # else nothing is kept
            error.__notes__ = [told()]
        raise


@contextmanager
def naming(folder: str | os.PathLike) -> Iterator[None]:
    """Within it an error of the system that names no path, as a log's on a full disk, names ``folder``."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(folder)
        raise


def _gone(error: FileNotFoundError) -> Path:
    """What is not there: the path that an error names, or the outermost folder around it."""
    path = Path(os.path.abspath(os.fsdecode(error.filename)))
    return next((each for each in reversed(path.parents) if not each.exists()), path)


def run_cli(main: Callable[[], int | None]) -> NoReturn:
    """Runs a tool's ``main`` and exits with the code that it returns.

    Expected failures become one line on stderr; see ``explain``. ``DISTILL_TRACEBACK=1`` or
    ``--traceback`` on the command line shows the traceback as well. ``Odd`` warnings are one line, too.
    """
    if "--traceback" in sys.argv:
        sys.argv.remove("--traceback")
        os.environ["DISTILL_TRACEBACK"] = "1"
    warnings.formatwarning = _format_warning
    logging.raiseExceptions = False  # a full disk is reported once, by us, and not by every line of a log
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that is not UTF-8 is shown all the same
    try:
        with _signals_heard():
            sys.exit(main() or 0)
    except SystemExit:
        raise
    except BaseException as error:
        text, code, expected = explain(error)
        if not expected or os.environ.get("DISTILL_TRACEBACK") == "1":
            raise
        print(text, file=sys.stderr, flush=True)
        sys.exit(code)


@contextmanager
def _signals_heard() -> Iterator[None]:
    """Within it a signal to end raises ``Interrupted``, and a second one ends the process at once.

    Those that are ignored stay so, such as SIGHUP under nohup.
    """

    def first(number: int, _) -> NoReturn:
        for each in heard:
            signal.signal(each, second)
        children_may_end()
        raise Interrupted(number)

    def second(number: int, _) -> NoReturn:
        os.write(2, f"error: {ENDING[number]} again: ended at once\n".encode())
        os._exit(128 + number)

    before = {each: signal.getsignal(each) for each in ENDING}
    heard = [each for each, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for each in heard:
        signal.signal(each, first)
    try:
        yield
    finally:
        for each in heard:
            signal.signal(each, before[each])


def children_may_end() -> None:
    """From now on nothing is raised when a data worker has ended: the signal was for it as well."""
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, lambda *_: None)  # SIG_DFL would complain of one that is under way


@contextmanager
def told_by_first() -> Iterator[None]:
    """Within it, mistakes that all processes of a launcher find alike are told by the first of them alone.

    The others end later: a launcher ends all at the first end, and one that was ended tells nothing.
    """
    if os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0":
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            yield
        except Interrupted as error:
            sys.exit(error.code)
        except (UserError, SystemExit) as error:  # argparse's mistakes are the latter
            with suppress(Interrupted):  # the launcher has seen that the first is gone
                time.sleep(TELLING)
            sys.exit(getattr(error, "code", 2))


def _format_warning(message, category, filename, lineno, line=None) -> str:
    if issubclass(category, Odd):
        return f"warning: {' '.join(str(message).splitlines())}\n"
    return _format(message, category, filename, lineno, line)


def _one_line(error: UserError) -> str:
    text = str(error)
    if " in DataLoader worker process " in text:  # torch puts that process's traceback before the message
        text = text.strip().split("\n")[-1].partition(": ")[2]
    return " ".join(text.splitlines())
