"""A benchmark's data: found in the layout that its config names, checked, and told as plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from distill.errors import UserError, unknown
from transfer.datasets import coco, segmentation, voc


@dataclass(frozen=True)
class Data:
    """Where the data is and what is in it.

    Attributes:
        layout: a name of ``LAYOUTS``; with ``root`` it finds the files again.
        annotations: training annotation files, one a split; ("",) where the layout itself names the pictures.
        train_images: how many pictures a seed trains on.
    """

    layout: str
    root: str
    classes: tuple[str, ...]
    annotations: tuple[str, ...]
    train_images: int


def find_data(
    layout: str, root: str, classes: tuple[str, ...] | None, split_size: int | None, splits: Path
) -> Data:
    """Checks a benchmark's data, and writes the low-shot splits if it has any.

    Args:
        layout: a name of ``LAYOUTS``.
        classes: names the user gives; None: read from the data.
        split_size: images in a low-shot split; None: every seed trains on the whole training set.
        splits: folder for the split files.

    Raises:
        UserError: naming the layout, folder or file that is missing or wrong.
    """
    if layout not in LAYOUTS:
        raise unknown("data layout", layout, LAYOUTS)
    names, annotations, images = LAYOUTS[layout](root, classes, split_size, splits)
    return Data(layout, str(Path(root).resolve()), tuple(names), annotations, images)


Found = tuple[tuple[str, ...], tuple[str, ...], int]  # classes, annotation files, training images


def _boxes(root: str, classes: tuple[str, ...] | None, split_size: int | None, splits: Path) -> Found:
    boxes = voc.find_detection(root, classes)
    return boxes.classes, ("",), len(boxes.images("trainval"))


def _masks(kind: str) -> Callable[..., Found]:
    def find(root: str, classes: tuple[str, ...] | None, split_size: int | None, splits: Path) -> Found:
        masks = segmentation.find_segmentation(root, kind, classes)
        return masks.classes, ("",), len(masks.pairs("train"))

    return find


def _instances(root: str, classes: tuple[str, ...] | None, split_size: int | None, splits: Path) -> Found:
    instances = coco.find_instances(root)
    if classes:
        raise UserError("--classes: COCO's layout names its classes in the annotation file")
    if split_size is None:
        return instances.classes, (str(instances.train[0].resolve()),), len(coco.boxed_images(instances))
    files = coco.write_splits(instances, split_size, splits)
    return instances.classes, tuple(str(file.resolve()) for file in files), split_size


LAYOUTS: dict[str, Callable[..., Found]] = {
    "voc_boxes": _boxes,
    "voc_masks": _masks("voc_masks"),
    "cityscapes_masks": _masks("cityscapes_masks"),
    "coco": _instances,
}
