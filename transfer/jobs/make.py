"""From what the user asked for to a list of jobs, one a seed."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from distill.errors import UserError
from transfer.benchmarks import ImageSize, Protocol
from transfer.benchmarks.schedule import EpochSchedule, Schedule, plan
from transfer.datasets import coco, segmentation, voc
from transfer.jobs.job import Job

NAMELESS = ("last", "best", "latest", "final", "model", "checkpoint", "backbone")


@dataclass(frozen=True)
class Initial:
    """Where a backbone starts from; ``weights`` is "" and ``sha256`` too if it starts at random."""

    init: str
    label: str
    arch: str
    weights: str
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def read_initial(checkpoint: str, init: str, label: str | None = None, arch: str | None = None) -> Initial:
    """Reads what ``--init`` says: the checkpoint itself, random weights of its architecture, or a file.

    Args:
        checkpoint: file, or with ``random`` also the name of an architecture.
        init: ``distilled``, ``random`` or a checkpoint file.
        label: name of the rows; by default the checkpoint's.
    """
    from distill.backbones import create_backbone, default_mean_std
    from distill.checkpoints import read_weights

    if init == "random" and not Path(checkpoint).is_file() and not checkpoint.endswith((".pth", ".pt")):
        create_backbone(checkpoint)  # an unknown name must fail here, with the valid ones
        mean, std = default_mean_std(checkpoint)
        return Initial("random", label or f"random-{checkpoint}", checkpoint, "", "", mean, std)
    source = checkpoint if init in ("distilled", "random") else init
    found = read_weights(source, arch)
    if init == "random":
        label = label or f"random-{found.arch}"
        return Initial("random", label, found.arch, "", "", found.mean, found.std)
    kind = "distilled" if init == "distilled" else found.source
    weights = str(Path(source).resolve()) if Path(source).is_file() else source
    return Initial(kind, label or name_of(source), found.arch, weights, found.sha256, found.mean, found.std)


def name_of(checkpoint: str) -> str:
    """A checkpoint's name for a report: its file's, or its folder's if the file is just ``last.pth``."""
    path = Path(checkpoint)
    stem = path.name.split(".")[0]
    plain = stem in NAMELESS or re.fullmatch(r"(epoch|iter)_\d+", stem)
    return path.resolve().parent.name if plain else stem


@dataclass(frozen=True)
class Data:
    """A benchmark's data: class names and, for each fold, the training annotation file ("" if fixed)."""

    root: str
    classes: tuple[str, ...]
    annotations: tuple[str, ...]
    train_images: int


def find_data(
    protocol: Protocol, root: str, classes: tuple[str, ...] | None, split_size: int | None, splits: Path
) -> Data:
    """Checks the data of a benchmark, and writes the low-shot splits.

    Args:
        split_size: images in a low-shot split; 0 trains every seed on the whole training set.
        splits: folder for the split files.

    Raises:
        UserError: naming the folder or file that is missing or wrong.
    """
    if protocol.framework == "detectron2":
        boxes = voc.find_detection(root, classes)
        return Data(root, boxes.classes, ("",), len(boxes.images("trainval")))
    if protocol.framework == "mmseg":
        masks = segmentation.find_segmentation(root, protocol.name, classes)
        return Data(root, masks.classes, ("",), len(masks.pairs("train")))
    instances = coco.find_instances(root)
    if classes:
        raise UserError("--classes: COCO's layout names its classes in the annotation file")
    if split_size == 0:
        size = len(coco.boxed_images(instances))
        return Data(root, instances.classes, (str(instances.train[0]),), size)
    files = coco.write_splits(instances, split_size or protocol.split_size, splits)
    return Data(root, instances.classes, tuple(map(str, files)), split_size or protocol.split_size)


def resized(size: ImageSize, side: int | None, crop: tuple[int, int] | None) -> ImageSize:
    """The protocol's sizes for pictures whose shorter side is to be ``side``.

    The bound on the longer side keeps its proportion; the crop becomes ``side`` squared unless given.
    """
    if crop and size.crop is None:
        raise UserError("--crop-size: detection trains on whole pictures; use --image-size")
    if side:
        longest = round(size.longest * side / size.test)
        size = ImageSize((side,), side, longest, size.crop and (side, side))
    return replace(size, crop=crop) if crop else size


def batch_size(schedule: Schedule, images_per_gpu: int, gpus: int, wanted: int | None) -> int:
    """Images a step: what the devices take at the published number each, at most the published total."""
    batch = wanted or min(schedule.batch, images_per_gpu * max(gpus, 1))
    if batch < 1 or batch % max(gpus, 1):
        raise UserError(f"--batch-size {batch} cannot be shared by {gpus} GPUs: give a multiple of {gpus}")
    return batch


def make_schedule(
    protocol: Protocol, images: int, gpus: int, batch: int | None, max_steps: int | None
) -> tuple[Schedule, list[str]]:
    """The schedule to train with, and the lines that explain it."""
    base = protocol.schedule
    lines = []
    if isinstance(base, EpochSchedule):
        lines.append(f"schedule:        {base.epochs} epochs of {images} images, in steps:")
        base = base.in_steps(images)
    final, said = plan(base, batch_size(base, protocol.images_per_gpu, gpus, batch), max_steps)
    return final, lines + said


def make_jobs(
    protocol: Protocol,
    initial: Initial,
    data: Data,
    schedule: Schedule,
    seeds: list[int],
    gpus: int,
    workers: int,
    work_dir: str | os.PathLike,
) -> list[Job]:
    """One job a seed. Seed ``s`` trains on split ``s`` modulo the number of splits."""
    run = re.sub(r"[^\w.-]+", "_", initial.label)
    return [
        Job(
            benchmark=protocol.name,
            framework=protocol.framework,
            data_root=str(Path(data.root).resolve()),
            classes=data.classes,
            annotations=data.annotations[seed % len(data.annotations)],
            arch=initial.arch,
            weights=initial.weights,
            sha256=initial.sha256,
            mean=tuple(initial.mean),
            std=tuple(initial.std),
            schedule=schedule,
            weight_decay=protocol.weight_decay,
            optimizer=protocol.optimizer,
            size=protocol.size,
            model=protocol.model,
            seed=seed,
            gpus=gpus,
            workers=workers,
            folder=str(Path(work_dir).resolve() / protocol.name / run / f"seed_{seed}"),
        )
        for seed in seeds
    ]
