"""A benchmark's mmengine config with backbone, schedule and machine filled in: what both frameworks share."""

import copy
import warnings
from collections.abc import Iterator
from functools import cache

from mmengine.config import Config

from transfer.frameworks.openmmlab.options import check_options
from transfer.frameworks.openmmlab.schedule import fit_schedule, read_schedule
from transfer.frameworks.openmmlab.sizes import set_sizes
from transfer.frameworks.text import literal
from transfer.jobs.job import Filled, Job
from transfer.network.partition import STRIDES, StagedBackbone
from transfer.network.policy import first_stages

FILE = "config.py"
OURS = tuple(f"transfer.frameworks.openmmlab.{name}" for name in ("data", "hooks", "loop"))


def load(job: Job) -> Config:
    """The benchmark's config, with the overrides of ``--smoke``."""
    return copy.deepcopy(_read(job.config, job.smoke))


@cache
def _read(benchmark: str, smoke: str) -> Config:
    """Cached, because for each file of a framework mmengine reads all of the framework's indices."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # by mmengine
        config = Config.fromfile(benchmark, import_custom_modules=False)
        if smoke:
            config.merge_from_dict(Config.fromfile(smoke, import_custom_modules=False).to_dict())
    return config


def fill(config: Config, job: Job) -> Filled:
    """Fills in what does not depend on the task, and the user's options last.

    Args:
        config: the benchmark's, with its data and the widths of its backbone's stages in it.

    Raises:
        UserError: a size, schedule or option that the config cannot have.
    """
    lines = fit_schedule(config, job)
    fitted = read_schedule(config)
    _fill_backbone(config, job)
    set_sizes(config, job)
    _fill_run(config, job)
    check_options(config, job.options, job.framework)
    config.merge_from_dict(job.options)
    frozen = first_stages(config.model.backbone.get("frozen_stages", -1) + 1)
    schedule = read_schedule(config)
    if schedule != fitted:
        lines.append("schedule, rule:  --cfg-options, as given")
    return Filled(FILE, as_text(config), schedule, tuple(lines), frozen)


def as_text(config: Config) -> str:
    """The config as a file that ``Config.fromfile`` reads."""
    parts = config.to_dict().items()
    return "".join(f"{key} = {literal(value)}\n" for key, value in parts)


@cache
def stage_widths(arch: str) -> list[int]:
    """Channels of the maps res2 to res5."""
    staged = StagedBackbone(arch)
    return [staged.channels[stage] for stage in STRIDES]


def _fill_backbone(config: Config, job: Job) -> None:
    backbone = config.model.backbone
    backbone.arch, backbone.weights = job.initial.arch, job.initial.weights or None
    if not job.initial.weights:  # random weights hold nothing worth freezing
        backbone.frozen_stages, backbone.norm_eval = -1, False
    pixels = config.model.data_preprocessor
    pixels.mean, pixels.std = job.initial.mean_255, job.initial.std_255
    for part in _dicts(config.model):
        if "num_classes" in part:
            part["num_classes"] = len(job.data.classes)


def _dicts(part) -> Iterator[dict]:
    """Every dict in ``part``, at any depth."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list | tuple) else ():
        yield from _dicts(inner)


def _fill_run(config: Config, job: Job) -> None:
    """Folder, seed, processes, checkpoints; the test comes after the training and not in it."""
    config.work_dir = job.folder
    config.randomness = {"seed": job.seed}
    config.launcher = "pytorch" if job.gpus > 1 else "none"
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.num_workers, loader.persistent_workers = job.workers, False
        for step in _dicts(loader.dataset):
            if step.get("type") == "LoadImageFromFile":  # theirs does not name a broken picture
                step.pop("backend_args", None)
                step["type"] = "ReadPicture"
    config.train_dataloader.worker_init_fn = {"type": "seed_worker"}
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.train_cfg.pop("val_interval", None)
    config.custom_imports.imports = [*config.custom_imports.imports, *OURS]
    config.custom_hooks = [
        *config.get("custom_hooks", []),
        {"type": "PlainStateHook"},
        {"type": "EpochSeeds"},
        {"type": "TransferProgress"},
    ]
    # Two are kept: with one, the old file is removed before the new one is there.
    config.default_hooks.checkpoint.update(max_keep_ckpts=2, backend_args={"backend": "atomic"})
