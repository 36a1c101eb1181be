"""Data workers that do not outlive their process, and leave it to tell why it ends."""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import TracebackType

from distill.parent import end_with_parent


def ending_with_us(then: Callable[[int], None] | None = None) -> Callable[[int], None]:
    """A ``worker_init_fn`` by which a loader's workers end with this process; it calls ``then`` at last.

    torch's own workers look for their parent every five seconds, and one whose pipe is full waits for ever.
    One whose parent ends while it takes a tensor would print a traceback, behind the parent's own words.
    """
    return partial(_start, os.getpid(), then)


def _start(parent: int, then: Callable[[int], None] | None, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the workers too: it is their parent's
    sys.excepthook = _all_but_a_parent_that_ends
    end_with_parent(parent)
    if then is not None:
        then(worker)


def _all_but_a_parent_that_ends(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Shows what the thread that hands out tensors meets; nobody but the parent is connected to it."""
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
