"""How a run is started, where it writes, and what it goes on from."""

import itertools
import os
from pathlib import Path

from mmengine.config import Config

from distill.engine.training_states import find_training_state
from distill.errors import UserError

LAUNCHERS = ("none", "pytorch", "slurm")


def choose_launcher(launcher: str | None) -> str:
    """The launcher asked for (UserError if it cannot be); None: ``pytorch`` under torchrun, else ``none``."""
    by_torchrun = {"RANK", "LOCAL_RANK", "WORLD_SIZE"} <= os.environ.keys()
    if launcher is None:
        return "pytorch" if by_torchrun else "none"
    if launcher not in LAUNCHERS:
        raise UserError(f"launcher {launcher!r}; valid: {', '.join(LAUNCHERS)}")
    if launcher == "none" and by_torchrun and os.environ["WORLD_SIZE"] != "1":
        raise UserError("launcher none: torchrun started several processes, and each would train by itself")
    if launcher == "pytorch" and not by_torchrun:
        raise UserError("launcher pytorch: start it by torchrun --nproc-per-node GPUS tools/distill.py ...")
    if launcher == "slurm" and "SLURM_PROCID" not in os.environ:
        raise UserError("launcher slurm: start it by srun python tools/distill.py ...")
    return launcher


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


def where_to_start(work_dir: str, resume: bool | str) -> Path | None:
    """The training state that a run continues from; None for a run that begins.

    Raises:
        UserError: no such state, or a run in ``work_dir`` that would be overwritten.
    """
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
