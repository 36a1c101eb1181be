"""Data workers that do not outlive their process."""

import os
import signal
from collections.abc import Callable
from functools import partial

from distill.parent import end_with_parent


def ending_with_us(then: Callable[[int], None] | None = None) -> Callable[[int], None]:
    """A ``worker_init_fn`` by which a loader's workers end with this process; it calls ``then`` at last.

    torch's own workers look for their parent every five seconds, and one whose pipe is full waits for ever.
    """
    return partial(_start, os.getpid(), then)


def _start(parent: int, then: Callable[[int], None] | None, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the workers too: it is their parent's
    end_with_parent(parent)
    if then is not None:
        then(worker)
