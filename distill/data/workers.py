"""Data workers that do not outlive their process."""

import ctypes
import os
import signal
import sys

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def end_with_parent(parent: int) -> None:
    """Has the system kill this process as soon as the one that started it has ended, however that ended.

    torch's own workers look for their parent every five seconds, and one whose pipe is full waits for ever.
    Elsewhere than on Linux nothing happens.

    Args:
        parent: the number of the process that started this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before
            os.kill(os.getpid(), signal.SIGKILL)
