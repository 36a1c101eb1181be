"""A benchmark's data: found in the layout that its config names, checked, and told as plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from distill.errors import unknown
from transfer.datasets import cityscapes_instances, coco, coco_files, segmentation
from transfer.datasets.boxes import find_boxes
from transfer.datasets.layout import has_folder
from transfer.datasets.proposals import find_proposals


@dataclass(frozen=True)
class Data:
    """Where the data is and what is in it.

    Attributes:
        layout: a name of ``LAYOUTS``; with ``root`` it finds the files again.
        annotations: training annotation files (or proposals), one a split; ("",) where the layout itself
            names the pictures.
        train_images: how many pictures a seed trains on.
        train_pictures, test_pictures: folders, where annotation files name pictures in them.
        test_annotations: the annotation file (or proposals) to test with, if there is one.
        proposals: what the boxes that a Fast R-CNN is given come from.
    """

    layout: str
    root: str
    classes: tuple[str, ...]
    annotations: tuple[str, ...]
    train_images: int
    train_pictures: str = ""
    test_pictures: str = ""
    test_annotations: str = ""
    proposals: str = ""


def find_data(
    layout: str, root: str, classes: tuple[str, ...] | None, split_size: int | None, out: Path
) -> Data:
    """Checks a benchmark's data, and writes the annotation files that have to be made of it.

    Args:
        layout: a name of ``LAYOUTS``.
        classes: names the user gives; None: read from the data.
        split_size: images in a low-shot split; None: every seed trains on the whole training set.
        out: folder for files that are written.

    Raises:
        UserError: naming the layout, folder or file that is missing or wrong.
    """
    if layout not in LAYOUTS:
        raise unknown("data layout", layout, LAYOUTS)
    found = LAYOUTS[layout](root, classes, split_size, out)
    return Data(layout=layout, root=str(Path(root).resolve()), **found)


def _boxes(root: str, classes: tuple[str, ...] | None, split_size: int | None, out: Path) -> dict:
    boxes = find_boxes(root, classes)
    return {"classes": boxes.classes, "annotations": ("",), "train_images": len(boxes.images("trainval"))}


def _boxes_and_proposals(
    root: str, classes: tuple[str, ...] | None, split_size: int | None, out: Path
) -> dict:
    found = find_proposals(root, find_boxes(root, classes), out)
    return {
        **_boxes(root, classes, split_size, out),
        "annotations": (str(found.trainval.resolve()),),
        "test_annotations": str(found.test.resolve()),
        "proposals": found.source,
    }


def _masks(layout: str) -> Callable[..., dict]:
    def find(root: str, classes: tuple[str, ...] | None, split_size: int | None, out: Path) -> dict:
        masks = segmentation.find_segmentation(root, layout, classes)
        return {"classes": masks.classes, "annotations": ("",), "train_images": len(masks.pairs("train"))}

    return find


def _coco(root: str, classes: tuple[str, ...] | None, split_size: int | None, out: Path) -> dict:
    """COCO's format, or else Cityscapes' masks."""
    cityscapes = has_folder(root, cityscapes_instances.INSIDE, cityscapes_instances.NEEDS)
    from_masks = cityscapes and not coco_files.is_there(root)
    found = cityscapes_instances.find_instances(root, out) if from_masks else coco.find_instances(root)
    return _instances(found, classes, split_size, out)


def _cityscapes(root: str, classes: tuple[str, ...] | None, split_size: int | None, out: Path) -> dict:
    """Cityscapes' masks, or else COCO's format."""
    cityscapes = has_folder(root, cityscapes_instances.INSIDE, cityscapes_instances.NEEDS)
    from_masks = cityscapes or not coco_files.is_there(root)
    found = cityscapes_instances.find_instances(root, out) if from_masks else coco.find_instances(root)
    return _instances(found, classes, split_size, out)


def _instances(
    found: coco.CocoInstances, classes: tuple[str, ...] | None, split_size: int | None, out: Path
) -> dict:
    if classes:
        found = coco.select_classes(found, classes, out)
    coco.check_masks(coco_files.read(found.val[0]), found.val[0])
    files, images = [found.train[0]], split_size
    if split_size is None:
        images = len(coco.boxed_images(found))
    else:
        files = coco.write_splits(found, split_size, out)
    return {
        "classes": found.classes,
        "annotations": tuple(str(file.resolve()) for file in files),
        "train_images": images,
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
