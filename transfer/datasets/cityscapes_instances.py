"""Cityscapes' instances in COCO's format, made from the masks that every download has."""

import json
import os
from pathlib import Path

import numpy as np

from distill.errors import UserError
from distill.results.atomic import write_text
from transfer.datasets import cityscapes
from transfer.datasets.coco import CocoInstances
from transfer.datasets.layout import find_folder
from transfer.datasets.segmentation import open_mask

INSIDE = ("", "cityscapes")
NEEDS = ("leftImg8bit/train", "leftImg8bit/val", "gtFine/train", "gtFine/val")
# the classes whose objects are told apart
CLASSES = {
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}


def find_instances(root: str | os.PathLike, out: Path) -> CocoInstances:
    """Cityscapes in ``root`` or ``root/cityscapes``; writes ``instances_{train,val}.json`` into ``out``.

    Files made earlier from the same masks are kept.

    Raises:
        UserError: no such folder, or a picture without a whole ``instanceIds`` mask.
    """
    folder = find_folder(root, INSIDE, NEEDS, "Cityscapes data")
    files = {split: _write(folder, split, out / f"instances_{split}.json") for split in ("train", "val")}
    train, val = ((files[split], folder / "leftImg8bit" / split) for split in ("train", "val"))
    return CocoInstances(train, val, tuple(CLASSES.values()))


def _write(folder: Path, split: str, path: Path) -> Path:
    pairs = cityscapes.pairs(folder, split, "instanceIds")
    for picture, mask in pairs:
        if not mask.is_file():
            raise UserError(f"{picture}: its mask {mask} is missing")
    made_from = {
        "source": str(folder.resolve()),
        "masks": len(pairs),
        "bytes": sum(mask.stat().st_size for _, mask in pairs),
    }
    if path.exists() and json.loads(path.read_text())["info"] == made_from:
        return path
    images, annotations = [], []
    for number, (picture, mask) in enumerate(pairs, start=1):
        values = np.array(open_mask(mask, whole=True))
        name = str(picture.relative_to(folder / "leftImg8bit" / split))
        images.append({"id": number, "file_name": name, "height": len(values), "width": len(values[0])})
        annotations += [{"image_id": number, **found} for found in objects(values)]
    content = {
        "info": made_from,
        "images": images,
        "annotations": [{"id": number, **found} for number, found in enumerate(annotations, start=1)],
        "categories": [{"id": label, "name": name} for label, name in CLASSES.items()],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content))
    return path


def objects(values: np.ndarray) -> list[dict]:
    """What an ``instanceIds`` mask (H, W) holds: ``1000 * labelId + number``, or a group's bare labelId.

    Groups become COCO's crowds, which no detector is punished or rewarded for.
    """
    found = []
    for value in np.unique(values).tolist():
        label = value // 1000 if value >= 1000 else value
        if label not in CLASSES:
            continue
        mask = values == value
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        top, left, bottom, right = (
            int(edge) for edge in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
        )
        found.append(
            {
                "category_id": label,
                "iscrowd": int(value < 1000),
                "bbox": [left, top, right - left, bottom - top],
                "area": int(mask.sum()),
                "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
            }
        )
    return found


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed RLE: lengths of runs down the columns, starting with zeros.

    >>> run_lengths(np.array([[1, 0], [1, 1]], bool))
    [0, 2, 1, 1]
    """
    columns = np.flatnonzero(mask.any(axis=0))
    height, first, last = len(mask), int(columns[0]), int(columns[-1]) + 1  # only these columns are looked at
    flat = np.concatenate([[0], mask[:, first:last].ravel(order="F").astype(np.int8)])
    changes = np.flatnonzero(np.diff(flat)) + first * height
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
