"""Who started this process: a person, or torchrun or srun, which start several that work together."""

import os
import re

from distill.errors import UserError

LAUNCHERS = ("none", "pytorch", "slurm")
NO_STEP = 0xFFFFFFF0  # from here on SLURM's numbers of steps are those of batch scripts and salloc's shells


def add_launcher(parser) -> None:
    """Gives a tool's parser, or a group of it, the option ``--launcher``."""
    parser.add_argument(
        "--launcher",
        choices=LAUNCHERS,
        help="who starts several processes (default: pytorch under torchrun, else none)",
    )


def choose_launcher(launcher: str | None) -> str:
    """The launcher asked for; None: ``pytorch`` under torchrun, else ``none``.

    Raises:
        UserError: it cannot be, or srun started several processes and nobody says what they are to do.
    """
    by_torchrun = {"RANK", "LOCAL_RANK", "WORLD_SIZE"} <= os.environ.keys()
    if launcher is None:
        if not by_torchrun and (tasks := srun_tasks()) > 1:
            raise UserError(
                f"srun started {tasks} processes, and each would work by itself; valid: --launcher slurm "
                "(together), --launcher none (each by itself)"
            )
        return "pytorch" if by_torchrun else "none"
    if launcher not in LAUNCHERS:
        raise UserError(f"launcher {launcher!r}; valid: {', '.join(LAUNCHERS)}")
    if launcher == "none" and by_torchrun and os.environ["WORLD_SIZE"] != "1":
        raise UserError("launcher none: torchrun started several processes, and each would work by itself")
    if launcher == "pytorch" and not by_torchrun:
        raise UserError("launcher pytorch: start it by torchrun --nproc-per-node GPUS tools/...")
    if launcher == "slurm" and "SLURM_PROCID" not in os.environ:
        raise UserError("launcher slurm: start it by srun python tools/...")
    return launcher


def srun_tasks() -> int:
    """How many processes srun started, of which this is one; 1 where it was not srun.

    It is not SLURM_NTASKS, which batch scripts and the shells of ``salloc`` have as well, though each is
    one process. So is what has a terminal: the shell of ``srun --ntasks 4 --pty bash``.
    """
    found = os.environ
    step = found.get("SLURM_STEP_ID", "")
    if "SLURM_PROCID" not in found or not step.isdecimal() or int(step) >= NO_STEP or os.isatty(0):
        return 1
    return int(found.get("SLURM_STEP_NUM_TASKS", 1))


def read_slurm() -> None:
    """Sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, as torchrun does, from srun's.

    The processes meet on the step's first machine. MASTER_ADDR and MASTER_PORT stay if they are set; by
    default the port is a function of job and step, so that two of them on one machine do not meet.
    """
    import torch  # what else is here is for tools that have not imported it yet

    found = os.environ
    nodes = found.get("SLURM_STEP_NODELIST") or found["SLURM_JOB_NODELIST"]
    step = int(found.get("SLURM_JOB_ID", 0)) + int(found.get("SLURM_STEP_ID", 0))
    gpus = torch.cuda.device_count() or int(found["SLURM_NTASKS"])
    # with --gpus-per-task each process sees its own GPU alone, as number 0
    found["LOCAL_RANK"] = str(int(found["SLURM_LOCALID"]) % gpus)
    found["RANK"], found["WORLD_SIZE"] = found["SLURM_PROCID"], found["SLURM_NTASKS"]
    found.setdefault("MASTER_ADDR", first_host(nodes))
    found.setdefault("MASTER_PORT", str(20000 + step % 12000))


def first_host(nodes: str) -> str:
    """The first of SLURM's compressed host names.

    >>> first_host("rack[2-3,7]gpu[01-04],login"), first_host("alone")
    ('rack2gpu01', 'alone')
    """
    return re.sub(r"\[([^],-]+)[^]]*\]", r"\1", nodes).split(",")[0]
