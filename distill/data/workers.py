"""Data workers that do not outlive their process."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def end_with_parent(parent: int) -> None:
    """Has the system kill this process as soon as the one that started it has ended, however that ended.

    torch's own workers look for their parent every five seconds, and one whose pipe is full waits for ever.
    Elsewhere than on Linux, and behind a fork server, nothing more happens.

    Args:
        parent: the number of the process that started this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        between = multiprocessing.parent_process()
        if os.getppid() != parent and not (between and between.is_alive()):  # it ended before
            os.kill(os.getpid(), signal.SIGKILL)


def ending_with_us(then: Callable[[int], None] | None = None) -> Callable[[int], None]:
    """A ``worker_init_fn`` by which a loader's workers end with this process; it calls ``then`` at last."""
    return partial(_start, os.getpid(), then)


def _start(parent: int, then: Callable[[int], None] | None, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the workers too: it is their parent's
    end_with_parent(parent)
    if then is not None:
        then(worker)
