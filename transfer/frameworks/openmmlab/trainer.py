"""Training and testing by mmengine's Runner: what MMDetection and MMSegmentation share."""

from collections.abc import Callable

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from distill.engine import hooks  # noqa: F401  registers PlainStateHook and the atomic file backend
from distill.engine.runner import find_training_state
from transfer.frameworks.openmmlab import data  # noqa: F401  registers the transforms and the dataset
from transfer.jobs.job import Job
from transfer.jobs.progress import Progress, show
from transfer.network.partition import StagedBackbone

STAGES = ("res2", "res3", "res4", "res5")


@HOOKS.register_module()
class TransferProgress(Hook):
    """Progress lines, and the end of a run whose loss is no number."""

    def before_train(self, runner: Runner) -> None:
        self.progress = Progress(runner.iter, runner.max_iters)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        loss = float(outputs["loss"])
        if loss != loss:
            raise FloatingPointError(f"the loss is not a number at step {runner.iter + 1}: lower the rate")
        self.progress.step(runner.iter + 1, loss)


def train_and_test(job: Job, config: dict, read_metrics: Callable[[dict], dict]) -> tuple[dict, int]:
    """Trains from the latest checkpoint in the job's folder, or from the start, then tests.

    Args:
        config: model, data and metric, in mmengine's terms.
        read_metrics: what the framework's metric found -> metrics in percent.

    Returns:
        (metrics in percent, step the run was resumed from).
    """
    latest = find_training_state(job.folder)
    start = {"resume": True, "load_from": str(latest)} if latest else {}
    if latest:
        show(f"continuing from {latest.name}")
    runner = Runner.from_cfg(Config({**config, **runtime(job), **start}))
    runner.train()
    first = next(hook for hook in runner.hooks if isinstance(hook, TransferProgress)).progress.first
    show("testing")
    return read_metrics(runner.test()), first


def runtime(job: Job) -> dict:
    """The part of an mmengine config that does not depend on the task."""
    schedule = job.schedule
    optimizer = {"type": job.optimizer, "lr": schedule.lr, "weight_decay": job.weight_decay}
    if job.optimizer == "SGD":
        optimizer["momentum"] = 0.9
    return {
        "default_scope": job.framework,
        "work_dir": job.folder,
        "launcher": "pytorch" if job.gpus > 1 else "none",
        "randomness": {"seed": job.seed},
        "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": schedule.steps},
        "test_cfg": {"type": "TestLoop"},
        "optim_wrapper": {"type": "OptimWrapper", "optimizer": optimizer},
        "param_scheduler": _rates(job),
        "default_hooks": {
            "timer": {"type": "IterTimerHook"},
            "logger": {"type": "LoggerHook", "interval": 10, "log_metric_by_epoch": False},
            "param_scheduler": {"type": "ParamSchedulerHook"},
            # Two are kept: with one, the old file is removed before the new one is there.
            "checkpoint": {
                "type": "CheckpointHook",
                "by_epoch": False,
                "interval": job.checkpoint_every,
                "max_keep_ckpts": 2,
                "backend_args": {"backend": "atomic"},
            },
            "sampler_seed": {"type": "DistSamplerSeedHook"},
        },
        "custom_hooks": [{"type": "PlainStateHook"}, {"type": "TransferProgress"}],
        "log_processor": {"by_epoch": False},
        "env_cfg": {
            "cudnn_benchmark": job.framework == "mmseg",
            "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0},
            "dist_cfg": {"backend": "nccl"},
        },
    }


def _rates(job: Job) -> list[dict]:
    schedule, whole = job.schedule, {"begin": 0, "end": job.schedule.steps, "by_epoch": False}
    rates = []
    if schedule.warmup:
        rates.append({"type": "LinearLR", "start_factor": 0.001, **whole, "end": schedule.warmup})
    if schedule.end_lr is not None:
        rates.append({"type": "PolyLR", "power": 1.0, "eta_min": schedule.end_lr, **whole})
    else:
        rates.append({"type": "MultiStepLR", "milestones": list(schedule.milestones), "gamma": 0.1, **whole})
    return rates


def dataloader(dataset: dict, batch: int, workers: int, seed: int | None) -> dict:
    """A training loader if ``seed`` is given, else one that goes through the data once, in order."""
    sampler = {"type": "DefaultSampler", "shuffle": False}
    if seed is not None:
        sampler = {"type": "InfiniteSampler", "shuffle": True, "seed": seed}
    common = {"num_workers": workers, "persistent_workers": workers > 0}
    return {"batch_size": batch, **common, "sampler": sampler, "dataset": dataset}


def stage_widths(arch: str) -> list[int]:
    """Channels of the maps res2 to res5."""
    staged = StagedBackbone(arch, STAGES)
    return [staged.channels[stage] for stage in STAGES]


def backbone(job: Job) -> dict:
    """All four stages, every layer trained, batch norm in training mode."""
    return {
        "type": "DistilledBackbone",
        "arch": job.arch,
        "weights": job.weights or None,
        "out_stages": STAGES,
        "frozen_stages": -1,
        "norm_eval": False,
        "norm": job.norm,
    }
