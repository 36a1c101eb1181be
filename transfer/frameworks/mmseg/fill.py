"""Fills a benchmark of MMSegmentation: the heads' widths, and pictures with masks."""

from mmengine.config import Config

from transfer.frameworks.openmmlab import fill as openmmlab
from transfer.frameworks.openmmlab.sizes import innermost
from transfer.jobs.job import Filled, Job


def fill(job: Job) -> Filled:
    """The benchmark's config for ``job``.

    Raises:
        UserError: size, schedule or option that the config cannot have.
    """
    config = openmmlab.load(job)
    widths = openmmlab.stage_widths(job.initial.arch)
    for head in (config.model.decode_head, config.model.auxiliary_head):
        head.in_channels = widths[head.in_index]
    _fill_data(config, job)
    return openmmlab.fill(config, job)


def _fill_data(config: Config, job: Job) -> None:
    """Replaces their data set by ours, which takes every layout; pipelines and mask loading stay theirs."""
    for loader, split in ((config.train_dataloader, "train"), (config.test_dataloader, "val")):
        where = {"layout": job.data.layout, "data_root": job.data.root, "classes": job.data.classes}
        if job.data.left_out:
            where["left_out"] = job.data.left_out
        pipeline = innermost(loader.dataset).pipeline
        loader.dataset = {"type": "SegmentationPairs", **where, "split": split, "pipeline": pipeline}
