"""COCO in small portions: its layout, and five splits that share no image."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from distill.errors import UserError, unknown
from distill.results.atomic import write_json, write_text
from transfer.datasets.check import Part, Problems
from transfer.datasets.coco_check import clean
from transfer.datasets.coco_files import find_files, read

FOLDS = 5
SPLIT_SEED = 0  # the splits are part of the protocol: the same five for everyone


@dataclass(frozen=True)
class CocoInstances:
    """Where the instances are; ``train`` and ``val`` are (annotation file, picture folder)."""

    train: tuple[Path, Path]
    val: tuple[Path, Path]
    classes: tuple[str, ...]


def find_instances(root: str | os.PathLike) -> CocoInstances:
    """COCO's format in ``root`` or ``root/coco``, by ``coco_files``; UserError if it is not there."""
    if not Path(root).is_dir():
        raise UserError(f"--data-root {root}: no such folder (it should hold data in COCO's format)")
    train, val = (find_files(root, split) for split in ("train", "val"))
    classes = [item["name"] for item in sorted(read(val[0])["categories"], key=lambda item: item["id"])]
    return CocoInstances(train, val, tuple(classes))


def without_defects(data: CocoInstances, problems: Problems, out: str | os.PathLike) -> CocoInstances:
    """The data as it is if nothing has to be left out; else with annotation files of its own in ``out``.

    What is found is told to ``problems``, and too much of it raises UserError.
    """
    parts, same = _look_at(data, *(file.stat().st_mtime_ns for file, _ in (data.train, data.val)))
    problems.parts += parts
    problems.check()
    if same:
        return data
    files = {"train": data.train, "val": data.val}
    Path(out).mkdir(parents=True, exist_ok=True)
    for split, content in _clean(data, Problems()).items():
        if content is not None:
            source, pictures = files[split]
            files[split] = Path(out) / f"{source.stem}_without_defects.json", pictures
            write_text(files[split][0], json.dumps(content))
    return CocoInstances(**files, classes=data.classes)


@cache
def _look_at(data: CocoInstances, *changed: int) -> tuple[list[Part], bool]:
    """What is found, and whether nothing has to be left out; kept for other benchmarks on the same files."""
    problems = Problems()
    cleaned = _clean(data, problems)
    return problems.parts, all(content is None for content in cleaned.values())


def _clean(data: CocoInstances, problems: Problems) -> dict[str, dict | None]:
    """Split -> the content of its file without defects; None: there are none that have to be left out."""
    found, tested = {}, ()
    for split in ("val", "train"):
        file, pictures = getattr(data, split)
        content = read(file)
        good = clean(content, file, pictures, problems, for_masks=True, not_among=tested)
        tested = [pictures / image["file_name"] for image in good["images"]]
        found[split] = None if good is content else good
    return found


def select_classes(data: CocoInstances, classes: tuple[str, ...], out: str | os.PathLike) -> CocoInstances:
    """The data with the objects of ``classes`` alone: annotation files of their own, in ``out``.

    Raises:
        UserError: a class that the annotations do not have.
    """
    for name in classes:
        if name not in data.classes:
            raise unknown("class", name, data.classes)
    files = {}
    Path(out).mkdir(parents=True, exist_ok=True)
    for split, (source, pictures) in (("train", data.train), ("val", data.val)):
        content = read(source)
        chosen = [item for item in content["categories"] if item["name"] in classes]
        ids = {item["id"] for item in chosen}
        content["categories"] = chosen
        content["annotations"] = [item for item in content["annotations"] if item["category_id"] in ids]
        path = Path(out) / f"{split}_of_{len(classes)}_classes.json"
        write_text(path, json.dumps(content))
        files[split] = path, pictures
    names = tuple(name for name in data.classes if name in classes)
    return CocoInstances(files["train"], files["val"], names)


def check_masks(content: dict, file: Path) -> None:
    """UserError if objects have boxes alone, which a Mask R-CNN cannot be trained on."""
    bare = sum(not item.get("segmentation") for item in content["annotations"])
    if bare:
        raise UserError(
            f"{file}: {bare} objects have no segmentation, which a Mask R-CNN needs; the voc07 benchmarks "
            "take boxes alone, in this format too"
        )


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
    return _boxed(read(data.train[0]), data.train[0])


def _boxed(content: dict, file: Path) -> list[int]:
    check_masks(content, file)
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
    content = read(source)
    splits = draw_splits(_boxed(content, source), size)
    out.mkdir(parents=True, exist_ok=True)
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
