"""The boxes of data in COCO's format, as VOC's: what the VOC benchmarks train on and test with."""

import os
from dataclasses import dataclass
from pathlib import Path

from distill.errors import unknown
from transfer.datasets.coco_files import find_files, read
from transfer.datasets.voc import VocImage, VocObject

SPLITS = {"trainval": "train", "test": "val"}  # VOC's name -> COCO's


@dataclass(frozen=True)
class CocoBoxes:
    """A data set in COCO's format with ``VocDetection``'s interface; a crowd's box is a difficult one."""

    folder: Path
    classes: tuple[str, ...]

    def images(self, split: str) -> list[VocImage]:
        """The pictures of ``trainval`` (COCO's train) or ``test`` (its val), called after their files."""
        file, pictures = find_files(self.folder, SPLITS[split])
        content = read(file)
        names = {item["id"]: item["name"] for item in content["categories"]}
        objects: dict[int, list[VocObject]] = {image["id"]: [] for image in content["images"]}
        for item in content["annotations"]:
            left, top, width, height = item["bbox"]
            box = (left + 1, top + 1, left + width, top + height)  # VOC counts from 1, the last one included
            if names[item["category_id"]] in self.classes:
                thing = VocObject(names[item["category_id"]], box, bool(item.get("iscrowd")))
                objects[item["image_id"]].append(thing)
        return [
            VocImage(
                image["file_name"], pictures / image["file_name"], image["width"], image["height"],
                tuple(objects[image["id"]]),
            )
            for image in content["images"]
        ]  # fmt: skip


def find_coco_boxes(root: str | os.PathLike, classes: tuple[str, ...] | None = None) -> CocoBoxes:
    """Data in COCO's format in ``root`` or ``root/coco``.

    Args:
        classes: those to detect; by default all of the annotation file.

    Raises:
        UserError: files that are missing or broken, or a class that they do not have.
    """
    file, _ = find_files(root, "train")
    known = [item["name"] for item in sorted(read(file)["categories"], key=lambda item: item["id"])]
    for name in classes or ():
        if name not in known:
            raise unknown("class", name, known)
    return CocoBoxes(Path(root), tuple(classes or known))
