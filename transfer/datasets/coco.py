"""COCO in small portions: its layout, and five splits that share no image."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill.errors import UserError
from distill.results.atomic import write_json, write_text
from transfer.datasets.layout import find_folder

FOLDS = 5
SPLIT_SEED = 0  # the splits are part of the protocol: the same five for everyone


@dataclass(frozen=True)
class CocoInstances:
    """Where the instances are; ``train`` and ``val`` are (annotation file, picture folder)."""

    train: tuple[Path, Path]
    val: tuple[Path, Path]
    classes: tuple[str, ...]


def find_instances(root: str | os.PathLike) -> CocoInstances:
    """The COCO 2017 layout in ``root`` or ``root/coco``; UserError if it or its content is not there."""
    annotations = {split: f"annotations/instances_{split}2017.json" for split in ("train", "val")}
    folder = find_folder(
        root, ("", "coco"), ("train2017", "val2017", *annotations.values()), "COCO 2017 data"
    )
    train, val = ((folder / file, folder / f"{split}2017") for split, file in annotations.items())
    classes = [item["name"] for item in sorted(_read(val[0])["categories"], key=lambda item: item["id"])]
    return CocoInstances(train, val, tuple(classes))


def _read(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    missing = [key for key in ("images", "annotations", "categories") if key not in content]
    if missing:
        raise UserError(f"{path}: not COCO annotations, it lacks {', '.join(missing)}")
    return content


def draw_splits(
    image_ids: list[int], size: int, folds: int = FOLDS, seed: int = SPLIT_SEED
) -> list[list[int]]:
    """``folds`` random splits of ``size`` image ids, no id in two of them, each sorted.

    Raises:
        UserError: when there are fewer than ``folds * size`` images, with the largest size that fits.
    """
    if size < 1:
        raise UserError(f"--split-size {size}: a split needs at least one image")
    if folds * size > len(image_ids):
        raise UserError(
            f"{folds} splits of {size} images that share none need {folds * size} images with boxes, but "
            f"there are {len(image_ids)}: give --split-size {len(image_ids) // folds} or less, or "
            "--split-size all to train every seed on all of them"
        )
    order = np.random.default_rng(seed).permutation(sorted(image_ids))
    return [sorted(map(int, order[i * size : (i + 1) * size])) for i in range(folds)]


def boxed_images(data: CocoInstances) -> list[int]:
    """Ids of the training images with at least one box that is not a crowd's."""
    return _boxed(_read(data.train[0]))


def _boxed(content: dict) -> list[int]:
    boxed = {item["image_id"] for item in content["annotations"] if not item.get("iscrowd")}
    return [image["id"] for image in content["images"] if image["id"] in boxed]


def write_splits(data: CocoInstances, size: int, out: str | os.PathLike) -> list[Path]:
    """Writes the five training splits as COCO annotation files of their own.

    Images without a box are left out, as they cannot be trained on. Splits drawn earlier from the same
    file are kept. ``splits.json`` lists the image ids, and is written last.

    Returns:
        The annotation files, one a fold.
    """
    source, _ = data.train
    out = Path(out)
    drawn_from = {"source": str(source.resolve()), "bytes": source.stat().st_size, "seed": SPLIT_SEED}
    identity = {**drawn_from, "size": size, "folds": FOLDS}
    paths = [out / f"instances_{size}_fold{fold}.json" for fold in range(FOLDS)]
    index = out / "splits.json"
    if index.exists() and all(path.exists() for path in paths):
        known = json.loads(index.read_text())
        if {key: known.get(key) for key in identity} == identity:
            return paths
    content = _read(source)
    splits = draw_splits(_boxed(content), size)
    for path, chosen in zip(paths, splits, strict=True):
        wanted = set(chosen)
        part = {
            "info": {"description": f"{path.stem} of {source.name}", **identity},
            "licenses": content.get("licenses", []),
            "images": [image for image in content["images"] if image["id"] in wanted],
            "annotations": [item for item in content["annotations"] if item["image_id"] in wanted],
            "categories": content["categories"],
        }
        write_text(path, json.dumps(part))
    write_json(index, {**identity, "images": splits})
    return paths
