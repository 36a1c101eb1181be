"""A benchmark's lazy config with everything filled in that depends on backbone, data and machine."""

import inspect
import re
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from detectron2.config import LazyCall as L
from detectron2.config import LazyConfig
from detectron2.evaluation import COCOEvaluator
from omegaconf import DictConfig, ListConfig, OmegaConf

from distill.engine.options import parse_options
from distill.errors import UserError, unknown
from transfer.frameworks.detectron2.adapter import DistilledBackbone, own_res5
from transfer.frameworks.detectron2.data import Mapper, VocEvaluator, coco_dicts, train_loader, voc_dicts
from transfer.frameworks.detectron2.fast_rcnn import OwnBoxHead, box_head_width
from transfer.frameworks.detectron2.masks import MaskEvaluator, mask_dicts
from transfer.frameworks.values import check_value
from transfer.jobs.job import Filled, Job
from transfer.jobs.schedule import Schedule, batch_size, fit
from transfer.network.partition import StagedBackbone
from transfer.network.policy import first_stages

FILE = "config.yaml"
BOXES = ("voc_boxes", "voc_boxes_and_proposals")  # layouts whose boxes VOC's metric measures
MASKS = ("voc_masks", "cityscapes_masks")  # layouts with a class number for every pixel


def fill(job: Job) -> Filled:
    """The config of one job: Detectron2's lazy trainer runs it as it is.

    Raises:
        UserError: an option that a detector does not have, or a key that is not in the config.
    """
    if job.output_stride:
        raise UserError(f"--output-stride: {job.benchmark} has none; MMSegmentation's benchmarks have")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")  # by Detectron2's model zoo
        cfg = LazyConfig.load(job.config)
    cfg.pop("benchmark")
    if job.smoke:
        set_keys(cfg, parse_options(LazyConfig.load(job.smoke, "overrides")))
    base = read_schedule(cfg)
    a_device = base.batch // cfg.train.get("reference_world_size", 1)
    batch = batch_size(base.batch, a_device, job.gpus, job.batch)
    schedule, lines = fit(base, batch, job.data.train_images, job.max_steps)
    write_schedule(cfg, schedule)
    _fill_model(cfg.model, job)
    _fill_data(cfg.dataloader, job)
    _fill_sizes(cfg.dataloader, job)
    _fill_machine(cfg.train, job, schedule)
    if job.data.proposals:
        cfg.train.proposals = plain(job.data.proposals)  # rows of others are another table
        lines.append(f"proposals:       {job.data.proposals}")
    set_keys(cfg, job.options)
    frozen = max(node.frozen for node in _nodes(cfg.model) if node.get("_target_") is DistilledBackbone)
    return Filled(FILE, _text(cfg), read_schedule(cfg), tuple(lines), first_stages(frozen))


def read_schedule(cfg: DictConfig) -> Schedule:
    """The config's schedule, whose milestones and warm-up it has as fractions of ``train.max_iter``."""
    steps, rate = cfg.train.max_iter, cfg.lr_multiplier
    *milestones, end = rate.scheduler.milestones
    reached = {max(1, round(milestone * steps / end)) for milestone in milestones} - {steps}
    return Schedule(
        batch=cfg.dataloader.train.total_batch_size,
        lr=cfg.optimizer.lr,
        steps=steps,
        milestones=tuple(sorted(reached)),
        warmup=round(rate.warmup_length * steps),
    )


def write_schedule(cfg: DictConfig, schedule: Schedule) -> None:
    """The inverse of ``read_schedule``."""
    cfg.dataloader.train.total_batch_size = schedule.batch
    cfg.optimizer.lr = schedule.lr
    cfg.train.max_iter = schedule.steps
    rate = cfg.lr_multiplier
    rate.scheduler.milestones = [*schedule.milestones, schedule.steps]
    rate.scheduler["values"] = rate.scheduler["values"][: len(schedule.milestones) + 1]
    rate.warmup_length = schedule.warmup / schedule.steps


@cache
def stage_widths(arch: str) -> dict[str, int]:
    """Channels of the maps of the stages."""
    return StagedBackbone(arch).channels


def _fill_model(model: DictConfig, job: Job) -> None:
    initial = job.initial
    channels = stage_widths(initial.arch)
    for node in _nodes(model):
        if node.get("_target_") is DistilledBackbone:
            node.arch, node.weights = initial.arch, plain(initial.weights)
            if not initial.weights:
                node.frozen = 0  # random weights hold nothing worth freezing
        if node.get("_target_") is own_res5:
            node.out_channels = channels["res5"]
        if node.get("_target_") is OwnBoxHead:
            node.out_channels = box_head_width(initial.arch)
        if "num_classes" in node and not OmegaConf.is_interpolation(node, "num_classes"):
            node.num_classes = len(job.data.classes)
        # On one device SyncBN would only be a slower BN.
        if job.devices == 1 and not OmegaConf.is_interpolation(node, "norm") and node.get("norm") == "SyncBN":
            node.norm = "BN"
    if "res5" in model.get("roi_heads", {}):
        model.proposal_generator.head.in_channels = channels["res4"]
    model.pixel_mean, model.pixel_std = initial.mean_255, initial.std_255


def plain(text: str) -> str:
    r"""A name as OmegaConf gives it back: not taken for an interpolation.

    Raises:
        UserError: ``???``, which stands for a missing value there, or an end of a line that their YAML loses.

    >>> plain("a ${b}")
    'a \\${b}'
    """
    if text == "???" or set(text) & set("\x85\u2028\u2029"):
        raise UserError(f"the name {text!a}, which Detectron2's configs cannot hold: give it another")
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def _nodes(cfg: DictConfig) -> Iterator[DictConfig]:
    """A config and all configs in it, except dataclasses and what interpolations point to."""
    yield cfg
    for key in cfg:
        if not OmegaConf.is_interpolation(cfg, key) and OmegaConf.is_dict(cfg[key]):
            if OmegaConf.get_type(cfg, key) is dict:
                yield from _nodes(cfg[key])


def _fill_data(loaders: DictConfig, job: Job) -> None:
    data, train, test = job.data, loaders.train, loaders.test
    annotations = [plain(job.annotations), plain(data.test_annotations)]
    # what builds the config copies its lists into a config once more
    common = {"root": plain(data.root), "classes": [plain(plain(name)) for name in data.classes]}
    if data.left_out:
        names = data.left_out.items()  # lists within a dict are not copied once more
        common["left_out"] = {split: [plain(name) for name in listed] for split, listed in names}
    if data.layout in BOXES:
        train.dataset = L(voc_dicts)(split="trainval", **common)
        test.dataset = L(voc_dicts)(split="test", filter_empty=False, **common)
        loaders.evaluator = L(VocEvaluator)(split="test", **common)
        if data.proposals:
            train.dataset.proposals, test.dataset.proposals = annotations
    elif data.layout in MASKS:
        common["layout"] = data.layout
        train.dataset, test.dataset = (L(mask_dicts)(split=split, **common) for split in ("train", "val"))
        loaders.evaluator = L(MaskEvaluator)(split="val", **common)
    else:
        train.dataset = L(coco_dicts)(annotations=annotations[0], pictures=plain(data.train_pictures))
        test.dataset = L(coco_dicts)(
            annotations=annotations[1], pictures=plain(data.test_pictures), filter_empty=False
        )
        loaders.evaluator = L(COCOEvaluator)(dataset_name="${..test.dataset.annotations}")
    train.mapper["_target_"] = test.mapper["_target_"] = Mapper
    train.num_workers = test.num_workers = job.workers
    train["_target_"], train.seed = train_loader, job.seed


def _fill_sizes(loaders: DictConfig, job: Job) -> None:
    steps, resize_test = loaders.train.mapper.augmentations, loaders.test.mapper.augmentations[0]
    crops = [step for step in steps if "crop_size" in step]
    if job.crop_size and not crops:
        raise UserError("--crop-size: detection trains on whole pictures; use --image-size")
    if job.image_size:
        longest = round(resize_test.max_size * job.image_size / resize_test.short_edge_length)
        steps[0].short_edge_length, resize_test.short_edge_length = [job.image_size], job.image_size
        steps[0].max_size = resize_test.max_size = longest
    size = job.crop_size or (job.image_size and (job.image_size, job.image_size))
    for step in crops if size else ():
        step.crop_size = list(size)


def _fill_machine(train: DictConfig, job: Job, schedule: Schedule) -> None:
    train.device = "cuda" if job.gpus else "cpu"
    train.output_dir, train.seed = plain(job.folder), job.seed
    train.eval_period = 0  # once, at the end
    train.log_period = 10
    # A tenth of the run, neither seconds nor days apart.
    train.checkpointer.period = max(25, min(2_000, schedule.steps // 10))
    train.checkpointer.max_to_keep = 2


def set_keys(cfg: DictConfig, values: dict[str, object]) -> None:
    """Sets dotted keys.

    Raises:
        UserError: neither is a key there nor an argument of its callable, or it cannot have such a value.
    """
    for key, value in values.items():
        node, names = cfg, key.split(".")
        for depth, name in enumerate(names):
            valid = _valid_keys(node)
            if name not in valid:
                path = [".".join([*names[:depth], other]) for other in valid]
                raise unknown("config key", ".".join(names[: depth + 1]), path)
            node = OmegaConf.select(cfg, ".".join(names[: depth + 1]))
        check_value(key, value, node)
        OmegaConf.update(cfg, key, value, merge=False)


def _valid_keys(node: object) -> list[str]:
    if isinstance(node, ListConfig):
        return [str(index) for index in range(len(node))]
    if not isinstance(node, DictConfig):
        return []
    target = node["_target_"] if "_target_" in node else None
    arguments = inspect.signature(target).parameters if callable(target) else ()
    return list(dict.fromkeys([*map(str, node), *arguments]))


def _text(cfg: DictConfig) -> str:
    """What ``LazyConfig.save`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        LazyConfig.save(cfg, str(path))
        return path.read_text()
