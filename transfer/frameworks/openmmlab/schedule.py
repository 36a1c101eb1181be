"""A config's training schedule: read from it, fitted to batch and length, written back."""

import math

from mmengine.config import Config

from transfer.jobs.job import Job
from transfer.jobs.schedule import Schedule, batch_size, fit

WARMUP = "LinearLR"


def read_schedule(config: Config) -> Schedule:
    """The schedule that ``config`` trains with, over all devices.

    ``auto_scale_lr.base_batch_size`` is the batch that its learning rate is for.

    Raises:
        UserError: a milestone that would never come, or anything else that ``Schedule`` refuses.
    """
    decay = next((rate for rate in config.param_scheduler if rate.type != WARMUP), {})
    loop, warmup = config.train_cfg, [r for r in config.param_scheduler if r.type == WARMUP]
    return Schedule(
        batch=config.auto_scale_lr.base_batch_size,
        lr=config.optim_wrapper.optimizer.lr,
        steps=loop.get("max_iters"),
        epochs=loop.get("max_epochs"),
        milestones=tuple(decay.get("milestones", ())),
        warmup=warmup[0].end if warmup else 0,
        end_lr=decay.get("eta_min"),
    )


def fit_schedule(config: Config, job: Job) -> list[str]:
    """Applies the linear rule and ``max_steps`` to ``config``; returns the lines that say so."""
    base = read_schedule(config)
    batch = batch_size(base.batch, config.train_dataloader.batch_size, job.gpus, job.batch)
    # an epoch of a RepeatDataset sees every picture several times
    images = job.data.train_images * config.train_dataloader.dataset.get("times", 1)
    final, lines = fit(base, batch, images, job.max_steps)
    config.train_dataloader.batch_size = batch // job.devices
    config.auto_scale_lr.base_batch_size = batch  # the batch that the rate below is for
    config.optim_wrapper.optimizer.lr = final.lr
    by_epoch = final.unit == "epochs"
    config.train_cfg = (
        {"type": "EpochBasedTrainLoop", "max_epochs": final.epochs}
        if by_epoch
        else {"type": "StepLoop", "max_iters": final.steps}
    )
    for rate in config.param_scheduler:
        _set_rate(rate, final)
    config.param_scheduler = [rate for rate in config.param_scheduler if rate.end]
    config.default_hooks.logger.log_metric_by_epoch = by_epoch
    config.log_processor.by_epoch = by_epoch
    config.default_hooks.checkpoint.update(by_epoch=by_epoch, interval=_checkpoint_every(final, images))
    return lines


def _set_rate(rate: dict, final: Schedule) -> None:
    if rate.type == WARMUP:
        rate.end = final.warmup
        return
    rate.update(begin=0, end=final.length, by_epoch=final.unit == "epochs")
    if "milestones" in rate:
        rate.milestones = list(final.milestones)
    if "eta_min" in rate:
        rate.eta_min = final.end_lr


def _checkpoint_every(final: Schedule, images: int) -> int:
    """Steps or epochs between checkpoints: a tenth of the run, neither seconds nor days apart."""
    steps = final.total_steps(images)
    every = max(25, min(2_000, steps // 10))
    return every if final.unit == "steps" else math.ceil(every * final.epochs / steps)
