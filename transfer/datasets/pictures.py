"""The pictures of a benchmark's data, whatever its layout."""

from collections.abc import Callable
from pathlib import Path

from transfer.datasets import coco_files, segmentation
from transfer.datasets.boxes import find_boxes
from transfer.datasets.find import Data


def pictures_of(data: Data) -> tuple[list[Path], list[Path]]:
    """Those that are trained on and those that are tested with, in the files' order, without those left out.

    Of data with splits the first are the pictures of all splits.
    """
    return _PICTURES[data.layout](data)


def _of_boxes(data: Data) -> tuple[list[Path], list[Path]]:
    boxes = find_boxes(data.root, data.classes, data.left_out)
    train, test = ([image.path for image in boxes.images(split)] for split in ("trainval", "test"))
    return train, test


def _of_masks(data: Data) -> tuple[list[Path], list[Path]]:
    masks = segmentation.find_segmentation(data.root, data.layout, data.classes, data.left_out)
    train, test = ([picture for picture, _ in masks.pairs(split)] for split in ("train", "val"))
    return train, test


def _of_instances(data: Data) -> tuple[list[Path], list[Path]]:
    train = [_listed(file, data.train_pictures) for file in data.annotations]
    return list(dict.fromkeys(sum(train, []))), _listed(data.test_annotations, data.test_pictures)


def _listed(file: str, folder: str) -> list[Path]:
    return [Path(folder) / image["file_name"] for image in coco_files.read(Path(file))["images"]]


_PICTURES: dict[str, Callable[[Data], tuple[list[Path], list[Path]]]] = {
    "voc_boxes": _of_boxes,
    "voc_boxes_and_proposals": _of_boxes,
    "voc_masks": _of_masks,
    "cityscapes_masks": _of_masks,
    "coco": _of_instances,
    "cityscapes_instances": _of_instances,
}
