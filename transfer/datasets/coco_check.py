"""What may be wrong in an annotation file of COCO's format, and the file without it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from transfer.datasets import check
from transfer.datasets.check import Part, Problems, judge, look_at_pictures

SAME_ID = "with the id of another, left out"
SAME_FILE = "with the file of another, left out"
NO_PICTURE = "of a picture that is not listed, left out"
NO_CATEGORY = "of a category that is not listed, left out"
CROWD = "whose iscrowd is neither 0 nor 1, left out"
NO_POLYGON = "without a polygon of three points, left out"
FEW_POINTS = "with a polygon of fewer than three points, which is left out"
OTHER_RUNS = "with run lengths of another size than the picture, left out"


def clean(
    content: dict,
    file: Path,
    pictures: Path,
    problems: Problems,
    for_masks: bool,
    not_among: Iterable[Path] = (),
    look: bool = True,
) -> dict:
    """The content without its defects: the same object if there are none.

    Args:
        content: of ``coco_files.read``.
        pictures: their folder.
        for_masks: the frameworks read the file themselves, and train masks; else only boxes are used.
        not_among: files of the test split, which must not be trained on.
        look: at the pictures' files, too.
    """
    images = content["images"]
    part = problems.part(file, "pictures", len(images))
    good = _good_images(images, pictures, part, for_masks, set(not_among), look)
    sizes = {image["id"]: (image["width"], image["height"]) for image in good}
    annotations = content["annotations"]
    part = problems.part(file, "annotations", len(annotations))
    listed = {image["id"] for image in images if isinstance(image, dict) and _is_id(image.get("id"))}
    categories = {item["id"] for item in content["categories"]}
    kept, seen = [], set()
    for number, item in enumerate(annotations):
        defect, item = _judge_annotation(item, sizes, listed, categories, seen, for_masks)
        if defect:
            known = isinstance(item, dict) and "id" in item
            part.add(defect, f"id {item['id']}" if known else f"number {number}")
        if item is not None and (not defect or defect in (check.CLIPPED, FEW_POINTS, check.KEPT)):
            kept.append(item)
    if len(good) == len(images) and len(kept) == len(annotations):
        if all(one is other for one, other in zip(kept, annotations, strict=True)):
            return content
    return content | {"images": good, "annotations": kept}


def _good_images(
    images: list, pictures: Path, part: Part, for_masks: bool, not_among: set[Path], look: bool
) -> list:
    whole = [image for image in images if _is_image(image, for_masks)]
    ids, files = (Counter(image[key] for image in whole) for key in ("id", "file_name"))
    good = []
    for number, image in enumerate(images):
        if not _is_image(image, for_masks):
            part.add(check.MALFORMED, f"number {number}")
        elif ids[image["id"]] > 1:  # nobody knows whose the annotations are: all of them are left out
            part.add(SAME_ID, image["file_name"])
        elif files[image["file_name"]] > 1:
            part.add(SAME_FILE, image["file_name"])
        elif pictures / image["file_name"] in not_among:
            part.add(check.IN_BOTH, image["file_name"])
        else:
            good.append(image)
    listed = ((one["file_name"], pictures / one["file_name"], (one["width"], one["height"])) for one in good)
    left_out = set(look_at_pictures(listed, part)) if look else ()
    return [image for image in good if image["file_name"] not in left_out] if left_out else good


def _is_id(value: object) -> bool:
    return type(value) in (int, str)


def _is_image(image: object, whole_id: bool) -> bool:
    return (
        isinstance(image, dict)
        and (type(image.get("id")) is int or (not whole_id and _is_id(image.get("id"))))
        and isinstance(image.get("file_name"), str)
        and all(_is_number(image.get(side)) and image[side] > 0 for side in ("width", "height"))
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and _is_finite([value])


def _is_finite(values: list) -> bool:
    """Whether all are finite numbers; quick, for there may be fifty million."""
    try:
        return math.isfinite(sum(values))
    except (TypeError, OverflowError):
        return False


def _judge_annotation(
    item: object, sizes: dict, listed: set, categories: set, seen: set, for_masks: bool
) -> tuple[str, dict | None]:
    """What is wrong with an annotation, and the annotation, mended; None: its picture is left out."""
    if not isinstance(item, dict):
        return check.MALFORMED, item
    image, category, box = item.get("image_id"), item.get("category_id"), item.get("bbox")
    if not (_is_id(image) and _is_id(category) and isinstance(box, list) and len(box) == 4):
        return check.MALFORMED, item
    if for_masks and not (_is_id(item.get("id")) and _is_number(item.get("area"))):
        return check.MALFORMED, item
    if not all(type(value) in (int, float) for value in box):
        return check.MALFORMED, item
    if "id" in item:
        if not _is_id(item["id"]):
            return check.MALFORMED, item
        if item["id"] in seen:
            return SAME_ID, item
        seen.add(item["id"])
    if image not in sizes:
        return ("", None) if image in listed else (NO_PICTURE, item)
    if category not in categories:
        return NO_CATEGORY, item
    if item.get("iscrowd") not in (None, 0, 1):
        return CROWD, item
    if not _is_finite(box):
        return check.NOT_FINITE, item
    defect, item = _judge_box(item, *sizes[image], for_masks)
    if defect in ("", check.CLIPPED, check.KEPT) and for_masks:
        mask_defect, item = _judge_mask(item, *sizes[image])
        return mask_defect or defect, item
    return defect, item


def _judge_box(item: dict, width: float, height: float, for_masks: bool) -> tuple[str, dict]:
    x, y, w, h = item["bbox"]
    if w < 0 or h < 0:
        return check.INVERTED, item
    if for_masks and (w == 0) != (h == 0):
        return check.KEPT, item
    if w == 0 or h == 0:
        return check.EMPTY, item
    defect, (left, top, right, bottom) = judge((x, y, x + w, y + h), width, height)
    if defect == check.CLIPPED:
        item = item | {"bbox": [left, top, right - left, bottom - top]}
    return defect, item


def _judge_mask(item: dict, width: float, height: float) -> tuple[str, dict]:
    mask = item.get("segmentation")
    if not mask:  # coco.check_masks says what to do
        return "", item
    if isinstance(mask, dict):
        return ("" if _has_size(mask, width, height) else OTHER_RUNS), item
    if not isinstance(mask, list):
        return NO_POLYGON, item
    good = [points for points in mask if _is_polygon(points)]
    if len(good) == len(mask):
        return "", item
    return (FEW_POINTS, item | {"segmentation": good}) if good else (NO_POLYGON, item)


def _is_polygon(points: object) -> bool:
    return isinstance(points, list) and len(points) >= 6 and len(points) % 2 == 0 and _is_finite(points)


def _has_size(mask: dict, width: float, height: float) -> bool:
    counts = mask.get("counts")
    if mask.get("size") != [height, width] or not isinstance(counts, list | str):
        return False
    runs = np.array(counts) if isinstance(counts, list) and set(map(type, counts)) == {int} else None
    if isinstance(counts, str):
        runs = run_lengths(counts)
    if runs is None or runs.dtype != np.int64 or not len(runs):
        return False
    return runs.min() >= 0 and runs.max() <= height * width and int(runs.sum()) == height * width


def run_lengths(text: str) -> np.ndarray | None:
    """The runs (N,) int64 of COCO's compressed RLE; None if it is none.

    A number is bytes of five bits each, the lowest first, with a sixth bit in all but the last of them; from
    the fourth on it is the difference to the last but one.
    """
    if not text.isascii():
        return None
    units = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((units & 32) == 0)
    if not len(last) or last[-1] != len(units) - 1 or units.min() < 0 or units.max() > 63:
        return None
    first = np.concatenate([[0], last[:-1] + 1])
    if (last - first).max() > 6:
        return None
    place = np.arange(len(units)) - np.repeat(first, last - first + 1)
    runs = np.add.reduceat((units & 31) << (5 * place), first)
    runs -= ((units[last] & 16) > 0) * (1 << (5 * (last - first + 1)))
    for start in (1, 2):
        runs[start::2] = np.cumsum(runs[start::2])
    return runs
