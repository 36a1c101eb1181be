"""Runs a filled config in MMDetection."""

import mmdet  # noqa: F401  its scope must be known before the config is built

from transfer.frameworks.openmmlab import trainer
from transfer.jobs.job import Job


def train_and_test(job: Job) -> tuple[dict[str, float], int]:
    """Trains and tests; returns (metrics in percent, step the run was resumed from)."""
    return trainer.train_and_test(job, read_metrics)


def read_metrics(found: dict) -> dict[str, float]:
    """``bbox_AP``, ``bbox_AP50``, ``bbox_AP75`` and the same for ``segm``, in percent.

    MMDetection gives no numbers for a model that found nothing; they are 0 here.
    """
    named = {"AP": "mAP", "AP50": "mAP_50", "AP75": "mAP_75"}
    return {
        f"{kind}_{ours}": 100 * float(found.get(f"coco/{kind}_{theirs}", 0.0))
        for kind in ("bbox", "segm")
        for ours, theirs in named.items()
    }
