"""The cost of a plan: time from rows of the same kind, disk from finished runs of the same kind."""

import math
import shutil
import statistics
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path

from distill.errors import UserError
from transfer.jobs.job import Run, settings_in
from transfer.jobs.launch import RESULT

KIND = ("benchmark", "config_sha256", "arch", "gpus")  # settings of runs that cost the same
CHECKPOINTS = 2  # kept of every run
COPIES = 2  # of the weights in a checkpoint: themselves and the optimiser's momentum


def time_left(runs: Sequence[Run], rows: Sequence[dict], places: int) -> str:
    """How long the runs will take on so many places, as far as rows of the same kind exist."""
    if not runs:
        return "none"
    found = [expected_seconds(run, rows) for run in runs]
    known = [seconds for seconds in found if seconds is not None]
    if not known:
        return "unknown, as no run of the kind is finished"
    # a run takes one place, however many there are
    whole = f"about {timedelta(seconds=round(max(sum(known) / places, max(known))))}"
    if len(known) == len(found):
        return whole
    return f"{whole} for {len(known)} of {len(found)} runs, unknown for the others"


def expected_seconds(run: Run, rows: Sequence[dict]) -> float | None:
    """Mean duration of uninterrupted runs of the same kind; None if there is no row of one."""
    whole = [row for row in rows if row["settings"].get("resumed_from") == 0 and "seconds" in row]
    same = [row["seconds"] for row in whole if _same_kind(row["settings"], run.settings)]
    return statistics.fmean(same) if same else None


def check_space(runs: Sequence[Run], work_dir: Path) -> str:
    """The space that the runs need and the space that is free, as text.

    Raises:
        UserError: too little is free.
    """
    sizes = [expected_bytes(run, work_dir) for run in runs]
    measured = all(exact for _, exact in sizes)
    needed = sum(max(0, size - _size(run.folder)) for run, (size, _) in zip(runs, sizes, strict=True))
    there = next(folder for folder in (work_dir, *work_dir.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    about = f"{'about' if measured else 'at least'} {_told(needed)}"
    if needed > free:
        raise UserError(
            f"the checkpoints need {about}, and {there} has {_told(free, math.floor)} free: "
            f"make room for {_told(needed - free)}, or give another --work-dir"
        )
    return f"{about}, {_told(free, math.floor)} free in {there}"


def expected_bytes(run: Run, work_dir: Path) -> tuple[int, bool]:
    """Size of a run's folder in bytes, and whether it is measured on a finished run of the same kind.

    If there is none, it is a lower bound: the checkpoints of the backbone without its heads.
    """
    for result in sorted(work_dir.glob(f"{run.job.benchmark}/*/seed_*/{RESULT}")):
        if _same_kind(settings_in(result.parent) or {}, run.settings):
            return _size(result.parent), True
    return CHECKPOINTS * COPIES * _weights(run.job.initial.arch), False


@cache
def _weights(arch: str) -> int:
    """Bytes of an architecture's parameters."""
    import torch

    from distill.backbones import create_backbone

    with torch.device("meta"):
        return sum(part.numel() * part.element_size() for part in create_backbone(arch).parameters())


def _same_kind(one: dict, other: dict) -> bool:
    return all(one.get(key) == other.get(key) for key in KIND)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _told(size: int, whole: Callable[[float], int] = math.ceil) -> str:
    return f"{whole(size / 1e6)} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
