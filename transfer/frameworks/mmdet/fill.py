"""Fills a benchmark of MMDetection: an FPN's widths, and instances in COCO's format."""

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
    config.model.neck.in_channels = openmmlab.stage_widths(job.initial.arch)
    _fill_data(config, job)
    return openmmlab.fill(config, job)


def _fill_data(config: Config, job: Job) -> None:
    data = job.data
    for loader, annotations, pictures in (
        (config.train_dataloader, job.annotations, data.train_pictures),
        (config.test_dataloader, data.test_annotations, data.test_pictures),
    ):
        where = {"data_root": "", "ann_file": annotations, "data_prefix": {"img": pictures}}
        innermost(loader.dataset).update(metainfo={"classes": data.classes}, **where)
    config.test_evaluator.ann_file = data.test_annotations
