"""Faster R-CNN C4 as OSS A.5 describes it, in Detectron2."""

import os
import weakref
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode, get_cfg
from detectron2.engine import HookBase, SimpleTrainer, create_ddp_model, hooks
from detectron2.evaluation import inference_on_dataset
from detectron2.modeling import build_model
from detectron2.solver import build_lr_scheduler, build_optimizer
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import JSONWriter, get_event_storage
from detectron2.utils.logger import setup_logger

from transfer.datasets.voc import find_detection
from transfer.frameworks.detectron2.adapter import add_distilled_config
from transfer.frameworks.detectron2.data import VocEvaluator, test_loader, train_loader
from transfer.jobs.job import Job
from transfer.jobs.progress import Progress, show


class TransferProgress(HookBase):
    """Progress lines for the person watching."""

    def before_train(self) -> None:
        self.progress = Progress(self.trainer.start_iter, self.trainer.max_iter)

    def after_step(self) -> None:
        if comm.is_main_process():
            loss = get_event_storage().latest().get("total_loss", (0.0, 0))[0]
            self.progress.step(self.trainer.iter + 1, loss)


def train_and_test(job: Job) -> tuple[dict[str, float], int]:
    """Trains from the latest checkpoint in the job's folder, or from the start, then tests.

    Returns:
        (metrics in percent, step the run was resumed from); no metrics except in the main process.
    """
    _join_processes(job)
    setup_logger()
    data = find_detection(job.data_root, job.classes)
    cfg = build_config(job)
    if comm.is_main_process():
        (Path(job.folder) / "config.yaml").write_text(cfg.dump())
    seed_all_rng(job.seed)  # the same initial head in every process
    model = build_model(cfg)
    seed_all_rng(job.seed + comm.get_rank())
    trained, first = _train(job, cfg, model, data.images("trainval"))
    if comm.is_main_process():
        show("testing")
    test = data.images("test")
    metrics = inference_on_dataset(trained, test_loader(job, test), VocEvaluator(test, job.classes))
    return metrics or {}, first


def build_config(job: Job) -> CfgNode:
    """Detectron2's config of the model and its solver; the data comes from the job."""
    cfg = get_cfg()
    add_distilled_config(cfg)
    model, solver, schedule = cfg.MODEL, cfg.SOLVER, job.schedule
    model.DEVICE = "cuda" if job.gpus else "cpu"
    model.WEIGHTS = ""  # whole detectors only; the backbone's are MODEL.DISTILLED.WEIGHTS
    model.PIXEL_MEAN, model.PIXEL_STD, cfg.INPUT.FORMAT = job.mean_255, job.std_255, "RGB"
    model.BACKBONE.NAME, model.BACKBONE.FREEZE_AT = "build_distilled_backbone", 0
    model.DISTILLED.ARCH, model.DISTILLED.WEIGHTS, model.DISTILLED.NORM = job.arch, job.weights, job.norm
    model.RPN.IN_FEATURES = model.ROI_HEADS.IN_FEATURES = ["res4"]
    model.ANCHOR_GENERATOR.SIZES = [list(job.model["anchor_sizes"])]
    model.RPN.PRE_NMS_TOPK_TEST, model.RPN.POST_NMS_TOPK_TEST = 6_000, job.model["proposals"]
    model.ROI_HEADS.NAME, model.ROI_HEADS.NUM_CLASSES = "DistilledRes5ROIHeads", len(job.classes)
    model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = job.model["rois"]
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = job.model["pooler"]
    solver.IMS_PER_BATCH, solver.BASE_LR, solver.WEIGHT_DECAY = schedule.batch, schedule.lr, job.weight_decay
    solver.STEPS, solver.MAX_ITER, solver.WARMUP_ITERS = schedule.milestones, schedule.steps, schedule.warmup
    cfg.OUTPUT_DIR = job.folder
    return cfg


def _join_processes(job: Job) -> None:
    if job.gpus > 1:
        rank = int(os.environ["LOCAL_RANK"])
        torch.cuda.set_device(rank)
        torch.distributed.init_process_group("nccl")
        comm.create_local_process_group(job.gpus)


def _train(job: Job, cfg: CfgNode, model: torch.nn.Module, images: list) -> tuple[torch.nn.Module, int]:
    wrapped = create_ddp_model(model, broadcast_buffers=False)
    optimizer = build_optimizer(cfg, model)
    scheduler = build_lr_scheduler(cfg, optimizer)
    trainer = SimpleTrainer(wrapped, None, optimizer)
    checkpoints = DetectionCheckpointer(
        wrapped, job.folder, trainer=weakref.proxy(trainer), save_to_disk=comm.is_main_process()
    )
    trainer.register_hooks([hooks.IterationTimer(), hooks.LRScheduler(optimizer, scheduler)])
    first = 0
    if checkpoints.has_checkpoint():
        name = Path(checkpoints.get_checkpoint_file()).name
        if comm.is_main_process():
            show(f"continuing from {name}")
        checkpoints.resume_or_load("", resume=True)
        first = trainer.iter + 1
    # Detectron2's endless sampler cannot be wound forward: a resumed run draws another order.
    trainer.data_loader = train_loader(job, images, seed=job.seed * 1_000_003 + first)
    tail = []
    if job.model["precise_bn"]:
        batches = train_loader(job, images, seed=job.seed)
        tail.append(hooks.PreciseBN(0, wrapped, batches, job.model["precise_bn"]))
    if comm.is_main_process():
        tail.append(hooks.PeriodicCheckpointer(checkpoints, job.checkpoint_every, max_to_keep=2))
        tail.append(hooks.PeriodicWriter([JSONWriter(os.path.join(job.folder, "metrics.json"))], period=10))
    trainer.register_hooks([*tail, TransferProgress()])
    if first < job.schedule.steps:
        trainer.train(first, job.schedule.steps)
    return wrapped, first
