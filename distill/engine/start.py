"""Where a run writes, and what it goes on from."""

import errno
import fcntl
import itertools
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config

from distill.engine.training_states import find_training_state, remove_unfinished
from distill.errors import UserError, naming
from distill.peers import Alone


def check_name(work_dir: str) -> None:
    """Raises UserError unless TensorBoard and the log can write into a folder of that name."""
    try:
        os.path.abspath(work_dir).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"work_dir {work_dir!a}: not UTF-8, which TensorBoard's files need; give another --work-dir"
        ) from error


def is_of_a_run(config: Config) -> bool:
    """Whether this is the ``config.py`` of a run that has written a training state."""
    work_dir = config.get("work_dir")
    if work_dir is None or config.filename is None or find_training_state(work_dir) is None:
        return False
    return Path(config.filename).resolve().parent == Path(work_dir).resolve()


def make_beside(work_dir: str) -> str:
    """Makes the first folder of ``RUN-2``, ``RUN-3``, ... that is free, and returns its name."""
    for number in itertools.count(2):
        try:
            Path(f"{work_dir}-{number}").mkdir()
        except FileExistsError:
            continue
        return f"{work_dir}-{number}"


@contextmanager
def held(work_dir: str) -> Iterator[None]:
    """Holds ``work_dir`` against other runs, and removes what killed ones left half written.

    The lock belongs to the process and not to the file ``run.lock``, which stays: it is gone when the process
    ends, however it ends.

    Raises:
        UserError: another run is at work there.
    """
    path = Path(work_dir) / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+", buffering=0) as file:  # unbuffered: an error leaves nothing to write
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not kept by data workers
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                file.seek(0)
                other = file.read().decode().strip()
                raise UserError(
                    f"{work_dir}: another run is at work there ({other}); wait for it, end it, "
                    "or give another --work-dir"
                ) from error
            warnings.warn(f"{path}: {error.strerror}; nothing keeps a second run out", stacklevel=2)
        with naming(path):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        remove_unfinished(work_dir)
        yield


def where_to_start(work_dir: str, resume: bool | str, peers: Alone) -> Path | None:
    """The training state that a run continues from; None for a run that begins. The first process chooses it.

    Raises:
        UserError: no such state, or a run in ``work_dir`` that would be overwritten.
    """
    if not peers.first:
        return _same_state(peers)
    state = _choose_state(work_dir, resume)
    peers.agreed("state", state and [str(state), state.stat().st_size])
    return state


def _same_state(peers: Alone) -> Path | None:
    """What the first process goes on from, which must be there for this one too."""
    state = peers.agreed("state", None)
    if state is None:
        return None
    path, size = Path(state[0]), state[1]
    if not path.is_file() or path.stat().st_size != size:
        host = socket.gethostname()
        raise UserError(f"{host}: no {path} of {size} bytes, as on the first machine; copy it there")
    return path


def _choose_state(work_dir: str, resume: bool | str) -> Path | None:
    found = find_training_state(work_dir)
    if isinstance(resume, str):
        if not Path(resume).is_file():
            raise UserError(f"no such training state to resume from: {resume}")
        return Path(resume)
    if found and not resume:
        raise UserError(
            f"{work_dir} holds a run already ({found.name}): --resume goes on, --work-dir starts another"
        )
    return found
