"""The boxes of data in COCO's format, as VOC's: what the VOC benchmarks train on and test with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from distill.errors import unknown
from transfer.datasets.check import Problems
from transfer.datasets.coco_check import clean
from transfer.datasets.coco_files import find_files, has_name, read
from transfer.datasets.voc import VocImage, VocObject

SPLITS = {"trainval": "train", "test": "val"}  # VOC's name -> COCO's


@dataclass(frozen=True)
class CocoBoxes:
    """A data set in COCO's format with ``VocDetection``'s interface; a crowd's box is a difficult one."""

    folder: Path
    classes: tuple[str, ...]
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def listed(self, split: str) -> list[str]:
        """All pictures of ``trainval`` (COCO's train) or ``test`` (its val), called after their files."""
        file, _ = find_files(self.folder, SPLITS[split])
        return [image["file_name"] for image in read(file)["images"] if has_name(image)]

    def images(self, split: str) -> list[VocImage]:
        """The pictures of a split, without those in ``left_out``."""
        file, pictures = find_files(self.folder, SPLITS[split])
        content = clean(read(file), file, pictures, Problems(), for_masks=False, look=False)
        names = {item["id"]: item["name"] for item in content["categories"]}
        objects: dict[int, list[VocObject]] = {image["id"]: [] for image in content["images"]}
        for item in content["annotations"]:
            left, top, width, height = item["bbox"]
            box = (left + 1, top + 1, left + width, top + height)  # VOC counts from 1, the last one included
            if names[item["category_id"]] in self.classes:
                thing = VocObject(names[item["category_id"]], box, bool(item.get("iscrowd")))
                objects[item["image_id"]].append(thing)
        left_out = set(self.left_out.get(split, ()))
        return [
            VocImage(
                image["file_name"], pictures / image["file_name"], image["width"], image["height"],
                tuple(objects[image["id"]]),
            )
            for image in content["images"]
            if image["file_name"] not in left_out
        ]  # fmt: skip

    def look_at(self, problems: Problems) -> CocoBoxes:
        """The data without the pictures that have defects, which are told to ``problems``."""
        left_out, tested = {}, []
        for split in ("test", "trainval"):
            file, pictures = find_files(self.folder, SPLITS[split])
            content = read(file)
            good = clean(content, file, pictures, problems, for_masks=False, not_among=tested)
            kept = {image["file_name"] for image in good["images"]}
            tested = [pictures / name for name in kept]
            left_out[split] = [name for name in self.listed(split) if name not in kept]
        return replace(self, left_out={split: names for split, names in left_out.items() if names})


def find_coco_boxes(
    root: str | os.PathLike,
    classes: tuple[str, ...] | None = None,
    left_out: Mapping[str, Sequence[str]] | None = None,
    problems: Problems | None = None,
) -> CocoBoxes:
    """Data in COCO's format in ``root`` or ``root/coco``.

    Args:
        classes: those to detect; by default all of the annotation file.
        left_out, problems: as in ``find_boxes``.

    Raises:
        UserError: files that are missing or broken, or a class that they do not have.
    """
    file, _ = find_files(root, "train")
    known = [item["name"] for item in sorted(read(file)["categories"], key=lambda item: item["id"])]
    for name in classes or ():
        if name not in known:
            raise unknown("class", name, known)
    data = CocoBoxes(Path(root), tuple(classes or known), left_out or {})
    return data if problems is None else data.look_at(problems)
