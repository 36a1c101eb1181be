"""``pretrain``: one call from settings to a trained student."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from distill.data.views import in_two_halves
from distill.distributed import rank, world_size
from distill.engine import acceleration
from distill.engine.changes import changes, refuse
from distill.engine.config_files import read_config
from distill.engine.config_text import PlainConfig, config_text
from distill.engine.hooks import method_of
from distill.engine.next_steps import next_steps
from distill.engine.recipe import DEFAULT_METHOD, recipe
from distill.engine.runner import DistillRunner
from distill.engine.start import check_name, held, is_of_a_run, make_beside, where_to_start
from distill.engine.trackers import add_tracker
from distill.engine.training_states import find_training_state
from distill.engine.validate import validate
from distill.errors import UserError, kept, told_by_first
from distill.launchers import choose_launcher, read_slurm
from distill.methods.base import Method
from distill.peers import ending_together
from distill.results.atomic import write_json, write_text
from distill.results.manifest import run_manifest


def pretrain(
    method: str | None = None,
    data: str | None = None,
    student: str | None = None,
    teacher: str | None = None,
    *,
    config: str | Config | None = None,
    work_dir: str | None = None,
    resume: bool | str = False,
    accept_changes: bool = False,
    seed: int | None = None,
    amp: bool = False,
    compile: bool = False,
    evaluate: str | None = None,
    track: str | None = None,
    launcher: str | None = None,
    cfg_options: dict | None = None,
    say: Callable[[str], None] = print,
    **settings,
) -> Path:
    """Trains a student and returns the path of its checkpoint, ``<work_dir>/last.pth``.

    Give ``config``, or ``data``, ``student`` and (where the method has one) ``teacher``, for which the
    method's settings are filled in, published ones where there are such.

    Args:
        method: a name of ``distill.engine.recipe.method_names``, e.g. ``compress_1q``; by default
            ``feature_matching``.
        data: any folder of images, however nested, or of shards (``tools/pack_images.py``).
        student: a timm name, ``alexnet_compress`` or ``resnet50x4``.
        teacher: a checkpoint file or a timm name.
        config: path of a config file, or a loaded one.
        work_dir: where everything is written; by default ``work_dirs/<name of the run>``, or, for the
            ``config.py`` of a run, the first free one of ``RUN-2``, ``RUN-3``, ...
        resume: go on from the newest training state in ``work_dir``, or from the named one.
        accept_changes: go on although settings, images or the teacher's file are others than the run's.
        seed: of everything random; by default the config's.
        amp: mixed precision (needs a GPU): bfloat16 where it has that, else float16 with loss scale.
        compile: ``torch.compile`` for all backbones.
        evaluate: folder with ``train`` and ``val`` in ImageFolder's layout: the student's k-NN accuracy is
            logged after every epoch. ``EvaluationHook`` in a config has more to set.
        track: ``wandb``, ``mlflow``, ``aim`` or ``tensorboard``: also sends curves and config there.
        launcher: ``none``, ``pytorch`` (torchrun) or ``slurm`` (srun); by default ``pytorch`` where torchrun
            started this process, else ``none``, which is refused where srun started several.
        cfg_options: ``{"model.temperature": 0.007}``: changes to the config, applied last.
        say: takes the lines for the user.
        settings: ``epochs``, ``batch_size``, ``image_size``, ``lr``, ``workers``, ``teacher_cache``,
            ``arch``: see ``recipe``.

    Raises:
        UserError: anything in the arguments, the config or the data that a person can mend.
    """
    with told_by_first():
        launcher = choose_launcher(launcher)
        if launcher == "slurm":
            read_slurm()
    with ending_together(launcher != "none") as peers:
        config, notes, name = _settle(method, data, student, teacher, config, settings)
        if cfg_options:
            config.merge_from_dict(cfg_options)
        if seed is not None:
            config.randomness = dict(config.get("randomness", {}), seed=seed)
        if amp:
            acceleration.use_mixed_precision(config)
        if compile:
            config.compile_networks = True
        if evaluate is not None:
            config.custom_hooks = [*config.get("custom_hooks", []), _evaluation(evaluate, config)]
        config.launcher = launcher
        validate(config)
        if work_dir is None and not resume and launcher == "none" and is_of_a_run(config):
            repeated, config.work_dir = config.work_dir, make_beside(config.work_dir)
            say(f"repeats {repeated}; after a crash, go on with {config.work_dir}/config.py --resume")
        config.work_dir = work_dir or config.get("work_dir") or f"work_dirs/{name}"
        check_name(config.work_dir)
        if track is not None:
            add_tracker(config, track)
        with held(config.work_dir) if peers.first else nullcontext():
            state = where_to_start(config.work_dir, resume, peers)
            with kept(lambda: _kept(config.work_dir), config.work_dir):
                _train(config, notes, state, accept_changes, say)
    return Path(config.work_dir) / "last.pth"


def _kept(work_dir: str) -> str:
    """What to say of a run that was ended."""
    if state := find_training_state(work_dir):
        return f"{state} is kept, the same command with --resume goes on from it"
    return "no training state was written yet, the same command begins again"


def _train(
    config: Config, notes: list[str], state: Path | None, accept_changes: bool, say: Callable[[str], None]
) -> None:
    """Trains from ``state``, or from the start, and says so."""
    if config.launcher != "none" and not torch.cuda.is_available() and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")  # mmengine's own start-up needs a GPU
    # restored afterwards: other OpenMMLab models may be built in this process
    with DefaultScope.overwrite_default_scope(config.default_scope):
        runner = DistillRunner.from_cfg(_for_runner(config, state))
        if rank() == 0:
            _introduce(runner, config, notes, state, accept_changes, say)
        method, images = method_of(runner), runner.train_dataloader.dataset
        method.check_data(images)
        images.rows = method.rows()
        images.cut_only = _finishes_views(config, method, images.augmentation)
        if config.get("compile_networks"):
            acceleration.compile_networks(method)
        runner.train()
    if rank() == 0:
        student = Path(config.work_dir) / "last.pth"
        if method.supervised:  # a protocol's, which goes on with it
            return say(f"student written to {student}")
        say(f"student written to {student}; to open, evaluate and convert it:")
        for command in next_steps(student, config):
            say(f"  {command}")


def _settle(method, data, student, teacher, config, settings) -> tuple[Config, list[str], str]:
    """The config, lines that say whose settings it has and what departs from them, and a name for the run."""
    if config is None:
        if data is None or student is None:
            raise UserError("give a config file, or --data and --student (and --teacher, --method)")
        config, notes = recipe(method, data, student, teacher, **settings)
        method = method or DEFAULT_METHOD
        notes = [f"settings of {method}{', except:' if notes else ''}", *(f"  {note}" for note in notes)]
        return config, notes, f"{method}_{student}_{Path(data).resolve().name}"
    given = {"method": method, "data": data, "student": student, "teacher": teacher, **settings}
    given = [f"--{key.replace('_', '-')}" for key, value in given.items() if value is not None]
    if given:
        raise UserError(f"{', '.join(given)}: not with a config file; change the config with --cfg-options")
    if isinstance(config, Config):
        return copy.deepcopy(config), [], Path(config.filename or "run").stem  # the caller keeps its own
    return read_config(config), [], Path(config).stem


def _evaluation(root: str, config: Config) -> dict:
    """The hook that evaluates on ``root`` at the size of the training views."""
    data = dict(train=f"{root}/train", val=f"{root}/val")
    return dict(
        type="EvaluationHook", data=data, image_size=config.train_dataloader.dataset.augmentation.size
    )


def _for_runner(config: Config, state: Path | None) -> Config:
    """A copy in mmengine's terms: batch size of a process, seeds, what to resume; the original stays."""
    config = PlainConfig(config.to_dict())
    processes = 1 if config.launcher == "none" else int(os.environ["WORLD_SIZE"])
    if config.launcher == "slurm":
        config.launcher = "pytorch"  # from here on as under torchrun, whose variables are set
    if config.batch_size % processes:
        raise UserError(f"batch_size {config.batch_size} cannot be divided among {processes} processes")
    synchronised = processes > 1 and torch.cuda.is_available() and config.get("sync_batch_norm")
    if config.batch_size == processes and not synchronised:
        raise UserError(
            f"batch_size {config.batch_size} is one image a process, of which batch norm has no variance; "
            f"valid: {2 * processes} or more"
        )
    loader = config.train_dataloader
    loader.batch_size = loader.sampler.batch_size = config.batch_size // processes
    if not torch.cuda.is_available():
        config.train_dataloader.pin_memory = False
        # mmengine would name a GPU; on CPUs DistributedDataParallel takes none
        config.setdefault(
            "model_wrapper_cfg",
            dict(
                type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False,
                find_unused_parameters=config.get("find_unused_parameters", False),
            ),
        )  # fmt: skip
    if config.train_dataloader.num_workers == 0:
        config.train_dataloader.persistent_workers = False
    acceleration.fuse_optimizer(config)
    config.train_dataloader.dataset.seed = config.randomness.get("seed", 0)
    # mmengine finds its log and curves by this name, which runs begun in one second must not share
    config.experiment_name = f"{Path(config.work_dir).name}-{time.time_ns()}"
    config.resume, config.load_from = state is not None, str(state) if state else None
    return config


def _finishes_views(config: Config, method: Method, augmentation: Callable) -> bool:
    """Whether colour, blur and flip are done on the training device, a batch at a time."""
    where = config.get("augment_on", "auto")
    if where == "auto":
        return in_two_halves(type(augmentation)) and next(method.parameters()).is_cuda
    return where == "device"


def _introduce(
    runner: DistillRunner, config: Config, notes: list[str], state: Path | None, accept_changes: bool, say
) -> None:
    """Writes the run's record and tells the user what is about to happen."""
    method, images = method_of(runner), runner.train_dataloader.dataset.images
    data = {"root": os.path.abspath(images.root), "images": len(images), "fingerprint": images.fingerprint}
    text = config_text(config)
    record = run_manifest(text, runner.seed, data)
    record["teacher"] = method.teacher.describe() if method.teacher is not None else None
    record["teacher_sha256"] = method.teacher.sha256 if method.teacher is not None else None
    record["resumed_from"] = str(state) if state else None
    changed = changes(config.work_dir, config, record) if state is not None else []
    refuse(config.work_dir, changed, accept_changes)
    write_text(Path(config.work_dir) / "config.py", text)
    write_json(Path(config.work_dir) / "manifest.json", record)
    optimizer = config.optim_wrapper.optimizer
    parameters = sum(p.numel() for p in method.student.parameters()) / 1e6
    lines = [
        *notes,
        f"{type(method).__name__}: {len(images)} images in {images.root}",
        f"  student {method.student.arch}, {parameters:.2f} M parameters, width {method.student.width}",
        *([] if method.teacher is None else method.teacher.describe()),
        f"  {config.train_cfg.max_epochs} epochs, {_describe_batch(config)}, "
        f"{optimizer.type} lr {optimizer.lr:g}, seed {runner.seed}",
        *_describe_last_batch(runner),
        *_describe_views(config),
        *acceleration.describe(config),
        f"  config, manifest and logs in {config.work_dir}",
    ]
    if state is not None:
        lines.append(f"  resuming from {state}")
    if changed:
        lines.append(
            f"  changed since: {', '.join(changed)}; optimiser and schedule go on as they were saved"
        )
    for line in lines:
        say(line)


def _describe_batch(config: Config) -> str:
    size, accumulated = config.batch_size, config.optim_wrapper.get("accumulative_counts", 1)
    line = f"batch {size} = {world_size()} x {size // world_size()}"
    if accumulated > 1:
        line += f", an update every {accumulated} batches ({accumulated * size})"
    return line


def _describe_last_batch(runner: DistillRunner) -> list[str]:
    if not runner.train_dataloader.sampler.ends_in_one:
        return []
    return [
        "  the last batch would have one image a process, of which batch norm has no variance: "
        f"{world_size()} of the epoch's first images come again"
    ]


def _describe_views(config: Config) -> list[str]:
    where = {"device": "on the training device", "worker": "in the data workers"}
    chosen = config.get("augment_on", "auto")
    return [] if chosen == "auto" else [f"  views: colour, blur and flip {where[chosen]}, as asked"]
