"""A benchmark's data: found in the layout that its config names, checked, and told as plain data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from distill.errors import unknown
from transfer.datasets import cityscapes_instances, coco, coco_files, segmentation
from transfer.datasets.boxes import find_boxes
from transfer.datasets.check import Problems
from transfer.datasets.layout import has_folder
from transfer.datasets.proposals import find_proposals


@dataclass(frozen=True)
class Data:
    """Where the data is and what is in it.

    Attributes:
        layout: a name of ``LAYOUTS``; with ``root`` it finds the files again.
        annotations: training annotation files (or proposals), one a split; ("",) where the layout itself
            names the pictures.
        train_images, test_images: how many pictures a seed trains on, and is tested with.
        train_pictures, test_pictures: folders, where annotation files name pictures in them.
        test_annotations: the annotation file (or proposals) to test with, if there is one.
        proposals: what the boxes that a Fast R-CNN is given come from.
        left_out: split -> pictures that the layout's files list and nobody reads.
        defects: what is wrong with the data, a line for each of its files.
        changes: of that what is left out or mended.
    """

    layout: str
    root: str
    classes: tuple[str, ...]
    annotations: tuple[str, ...]
    train_images: int
    test_images: int
    train_pictures: str = ""
    test_pictures: str = ""
    test_annotations: str = ""
    proposals: str = ""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    defects: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def find_data(
    layout: str,
    root: str,
    classes: tuple[str, ...] | None,
    split_size: int | None,
    out: Path,
    strict: bool = False,
) -> Data:
    """Checks a benchmark's data, and writes the annotation files that have to be made of it.

    Args:
        layout: a name of ``LAYOUTS``.
        classes: names the user gives; None: read from the data.
        split_size: images in a low-shot split; None: every seed trains on the whole training set.
        out: folder for files that are written.
        strict: no defect is allowed (see ``transfer.datasets.check``).

    Raises:
        UserError: naming the layout, folder or file that is missing or wrong.
    """
    if layout not in LAYOUTS:
        raise unknown("data layout", layout, LAYOUTS)
    problems = Problems(strict)
    found = LAYOUTS[layout](Asked(root, classes, split_size, out, problems))
    problems.check()
    told = {"defects": problems.lines(), "changes": problems.changes()}
    return Data(layout=layout, root=str(Path(root).resolve()), **found, **told)


@dataclass(frozen=True)
class Asked:
    """What is asked of a layout: the arguments of ``find_data``, and where defects are told."""

    root: str
    classes: tuple[str, ...] | None
    split_size: int | None
    out: Path
    problems: Problems


def _boxes(asked: Asked) -> dict:
    boxes = find_boxes(asked.root, asked.classes, problems=asked.problems)
    train, test = (len(boxes.images(split)) for split in ("trainval", "test"))
    found = {"classes": boxes.classes, "annotations": ("",), "train_images": train, "test_images": test}
    return found | {"left_out": boxes.left_out}


def _boxes_and_proposals(asked: Asked) -> dict:
    found = _boxes(asked)
    boxes = find_boxes(asked.root, found["classes"], found["left_out"])
    proposals = find_proposals(asked.root, boxes, asked.out)
    return {
        **found,
        "annotations": (str(proposals.trainval.resolve()),),
        "test_annotations": str(proposals.test.resolve()),
        "proposals": proposals.source,
    }


def _masks(layout: str) -> Callable[[Asked], dict]:
    def find(asked: Asked) -> dict:
        masks = segmentation.find_segmentation(asked.root, layout, asked.classes, problems=asked.problems)
        train, test = (len(masks.pairs(split)) for split in ("train", "val"))
        found = {"classes": masks.classes, "annotations": ("",), "train_images": train, "test_images": test}
        return found | {"left_out": masks.left_out}

    return find


def _coco(asked: Asked) -> dict:
    """COCO's format, or else Cityscapes' masks."""
    cityscapes = has_folder(asked.root, cityscapes_instances.INSIDE, cityscapes_instances.NEEDS)
    return _instances(asked, from_masks=cityscapes and not coco_files.is_there(asked.root))


def _cityscapes(asked: Asked) -> dict:
    """Cityscapes' masks, or else COCO's format."""
    cityscapes = has_folder(asked.root, cityscapes_instances.INSIDE, cityscapes_instances.NEEDS)
    return _instances(asked, from_masks=cityscapes or not coco_files.is_there(asked.root))


def _instances(asked: Asked, from_masks: bool) -> dict:
    if from_masks:
        found = cityscapes_instances.find_instances(asked.root, asked.out)
    else:
        found = coco.find_instances(asked.root)
    found = coco.without_defects(found, asked.problems, asked.out)
    if asked.classes:
        found = coco.select_classes(found, asked.classes, asked.out)
    test = coco_files.read(found.val[0])
    coco.check_masks(test, found.val[0])
    files, images = [found.train[0]], asked.split_size
    if asked.split_size is None:
        images = len(coco.boxed_images(found))
    else:
        files = coco.write_splits(found, asked.split_size, asked.out)
    return {
        "classes": found.classes,
        "annotations": tuple(str(file.resolve()) for file in files),
        "train_images": images,
        "test_images": len(test["images"]),
        "train_pictures": str(found.train[1].resolve()),
        "test_pictures": str(found.val[1].resolve()),
        "test_annotations": str(found.val[0].resolve()),
    }


LAYOUTS: dict[str, Callable[..., dict]] = {
    "voc_boxes": _boxes,
    "voc_boxes_and_proposals": _boxes_and_proposals,
    "voc_masks": _masks("voc_masks"),
    "cityscapes_masks": _masks("cityscapes_masks"),
    "coco": _coco,
    "cityscapes_instances": _cityscapes,
}
