"""Runs a filled config in MMSegmentation."""

import mmseg  # noqa: F401  its scope must be known before the config is built

from transfer.frameworks.openmmlab import trainer
from transfer.jobs.job import Job


def train_and_test(job: Job) -> tuple[dict[str, float], int]:
    """Trains and tests; returns (metrics in percent, step the run was resumed from)."""
    return trainer.train_and_test(job, read_metrics)


def read_metrics(found: dict) -> dict[str, float]:
    """mIoU, pixel accuracy and mean class accuracy in percent."""
    return {name: float(found[name]) for name in ("mIoU", "aAcc", "mAcc")}
