"""Trains and tests a filled config as Detectron2's lazy trainer does, and resumes where it was killed."""

import os
import weakref
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import LazyConfig, instantiate
from detectron2.engine import AMPTrainer, HookBase, SimpleTrainer, create_ddp_model, hooks
from detectron2.evaluation import inference_on_dataset
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import JSONWriter, get_event_storage
from detectron2.utils.logger import setup_logger
from omegaconf import DictConfig

from distill.results.atomic import write_tensors, write_text
from transfer.frameworks.detectron2.fill import FILE
from transfer.jobs.job import Job
from transfer.jobs.progress import Progress, show

COCO_METRICS = ("AP", "AP50", "AP75")
MASK_METRICS = {"mIoU": "mIoU", "aAcc": "pACC", "mAcc": "mACC"}  # MMSegmentation's names -> Detectron2's


class TransferProgress(HookBase):
    """Progress lines for the person watching."""

    def before_train(self) -> None:
        self.progress = Progress(self.trainer.start_iter, self.trainer.max_iter)

    def after_step(self) -> None:
        if comm.is_main_process():
            loss = get_event_storage().latest().get("total_loss", (0.0, 0))[0]
            self.progress.step(self.trainer.iter + 1, loss)


class Checkpoints(DetectionCheckpointer):
    """Detectron2's, written whole or not at all, and so is the file that names the latest."""

    def save(self, name: str, **more) -> None:
        if self.save_dir and self.save_to_disk:
            parts = {key: part.state_dict() for key, part in self.checkpointables.items()}
            file = Path(self.save_dir) / f"{name}.pth"
            write_tensors(file, {"model": self.model.state_dict(), **parts, **more})
            self.tag_last_checkpoint(file.name)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        write_text(Path(self.save_dir) / "last_checkpoint", last_filename_basename)


def train_and_test(job: Job) -> tuple[dict[str, float], int]:
    """Trains from the latest checkpoint in the job's folder, or from the start, then tests.

    Returns:
        (metrics in percent, step the run was resumed from); no metrics except in the main process.
    """
    _join_processes(job)
    setup_logger()
    cfg = LazyConfig.load(str(Path(job.folder) / FILE))
    seed_all_rng(cfg.train.seed)  # the same initial head in every process
    model, first = _train(cfg, instantiate(cfg.model).to(cfg.train.device))
    if comm.is_main_process():
        show("testing")
    loader = instantiate(cfg.dataloader.test)  # before the evaluator, which needs the data set's name
    found = inference_on_dataset(model, loader, instantiate(cfg.dataloader.evaluator))
    return flat(found or {}), first


def flat(found: dict) -> dict[str, float]:
    """An evaluator's results as ``bbox_AP`` and so on; its NaN for a detector that found nothing is 0.

    Those of masks have the names that MMSegmentation's have.
    """
    metrics = {}
    for name, value in found.items():
        if name == "sem_seg":
            metrics |= {ours: value[theirs] for ours, theirs in MASK_METRICS.items()}
        elif isinstance(value, dict):
            metrics |= {f"{name}_{metric}": value[metric] for metric in COCO_METRICS}
        else:
            metrics[name] = value
    return {name: float(value) if value == value else 0.0 for name, value in metrics.items()}


def _join_processes(job: Job) -> None:
    if job.gpus > 1:
        rank = int(os.environ["LOCAL_RANK"])
        torch.cuda.set_device(rank)
        torch.distributed.init_process_group("nccl")
        comm.create_local_process_group(job.gpus)


def _train(cfg: DictConfig, model: torch.nn.Module) -> tuple[torch.nn.Module, int]:
    settings = cfg.train
    wrapped = create_ddp_model(model, **settings.ddp)
    cfg.optimizer.params.model = model
    optimizer = instantiate(cfg.optimizer)
    trainer = (AMPTrainer if settings.amp.enabled else SimpleTrainer)(wrapped, None, optimizer)
    checkpoints = Checkpoints(
        wrapped, settings.output_dir, trainer=weakref.proxy(trainer), save_to_disk=comm.is_main_process()
    )
    trainer.register_hooks(
        [hooks.IterationTimer(), hooks.LRScheduler(scheduler=instantiate(cfg.lr_multiplier))]
    )
    first = 0
    if checkpoints.has_checkpoint():
        name = Path(checkpoints.get_checkpoint_file()).name
        if comm.is_main_process():
            show(f"continuing from {name}")
        checkpoints.resume_or_load("", resume=True)
        first = trainer.iter + 1
    tail = []
    if settings.get("precise_bn"):
        tail.append(hooks.PreciseBN(0, wrapped, instantiate(cfg.dataloader.train), settings.precise_bn))
    cfg.dataloader.train.first = first
    trainer.data_loader = instantiate(cfg.dataloader.train)
    if comm.is_main_process():
        tail.append(hooks.PeriodicCheckpointer(checkpoints, **settings.checkpointer))
        metrics = JSONWriter(os.path.join(settings.output_dir, "metrics.json"))
        tail.append(hooks.PeriodicWriter([metrics], period=settings.log_period))
    trainer.register_hooks([*tail, TransferProgress()])
    if first < settings.max_iter:
        trainer.train(first, settings.max_iter)
    return wrapped, first
