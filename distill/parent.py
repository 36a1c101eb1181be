"""Processes that end with the one that started them."""

import ctypes
import multiprocessing
import os
import signal
import sys

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def end_with_parent(parent: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Has the system send this process a signal as soon as the one that started it has ended in any way.

    It stays so if the process becomes another program. Elsewhere than on Linux, and behind a fork server,
    nothing more happens.

    Args:
        parent: the number of the process that started this one.
        how: the signal.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, how)
        between = multiprocessing.parent_process()
        if os.getppid() != parent and not (between and between.is_alive()):  # it ended before
            os.kill(os.getpid(), how)
