"""Pictures with class masks in any of three layouts: VOC2012, Cityscapes, or two plain folders."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from distill.errors import UserError
from transfer.datasets import cityscapes
from transfer.datasets.layout import find_folder, has_folder, read_names

IGNORE = 255
IMAGE_FOLDERS = ("img", "images", "image")
MASK_FOLDERS = ("ann", "masks", "mask", "annotations", "labels")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
_LISTS = ("ImageSets/Segmentation/train.txt", "ImageSets/Segmentation/val.txt")
# a benchmark's layout -> its name here, the folders it is looked for in, what they must hold, what it is
TREES = {
    "voc_masks": (
        "voc",
        ("", "VOC2012", "VOCdevkit/VOC2012", "voc/VOCdevkit/VOC2012"),
        ("JPEGImages", "SegmentationClass", *_LISTS),
        "VOC2012 segmentation data",
    ),
    "cityscapes_masks": (
        "cityscapes",
        ("", "cityscapes"),
        ("leftImg8bit/train", "leftImg8bit/val", "gtFine/train", "gtFine/val"),
        "Cityscapes data",
    ),
}


@dataclass(frozen=True)
class Segmentation:
    """A segmentation dataset: ``layout`` is ``voc``, ``cityscapes`` or ``folders``.

    ``label_map`` is mask value -> class number (255: ignored); None leaves the values as they are.
    """

    layout: str
    folder: Path
    classes: tuple[str, ...]
    label_map: dict[int, int] | None = None

    def pairs(self, split: str) -> list[tuple[Path, Path]]:
        """(picture, mask) of ``train`` or ``val``; UserError names the first file that is missing."""
        return _PAIRS[self.layout](self.folder, split)


def find_segmentation(
    root: str | os.PathLike, layout: str, classes: tuple[str, ...] | None = None
) -> Segmentation:
    """The layout asked for in or below ``root``, or ``{img,images}/{train,val}`` beside
    ``{ann,masks}/{train,val}`` with PNG masks of class numbers (255: ignored).

    Args:
        layout: ``voc_masks`` or ``cityscapes_masks``.
        classes: class names, in the order of the mask values. By default the data set's own names,
            ``classes.txt`` in the folder, or ``class 0`` to the highest value in the training masks.

    Raises:
        UserError: neither layout is there, or a mask holds a value that is no class.
    """
    tree, folder = _find_tree(Path(root), layout)
    if tree == "cityscapes" and (not classes or tuple(classes) == cityscapes.CLASSES):
        by_label = cityscapes.mask_kind(folder) == "labelIds"
        label_map = cityscapes.label_map() if by_label else None
        return Segmentation(tree, folder, cityscapes.CLASSES, label_map)
    data = Segmentation(tree, folder, ())
    return Segmentation(tree, folder, _class_names(data, classes))


def _find_tree(root: Path, layout: str) -> tuple[str, Path]:
    """(layout, folder): plain folders, the layout asked for, or the other."""
    if plain_folders(root):
        return "folders", root
    others = [name for name in TREES if name != layout and has_folder(root, *TREES[name][1:3])]
    own = has_folder(root, *TREES[layout][1:3])
    tree, inside, needs, what = TREES[others[0] if others and not own else layout]
    return tree, find_folder(root, inside, needs, f"{what} (nor {{img,ann}}/{{train,val}} folders)")


def _class_names(data: Segmentation, classes: tuple[str, ...] | None) -> tuple[str, ...]:
    listed = data.folder / "classes.txt"
    if not classes and listed.is_file():
        classes = tuple(line.strip() for line in listed.read_text().splitlines() if line.strip())
    if classes:
        _check_values(data, len(classes))
        return tuple(classes)
    if data.layout == "voc":
        _check_values(data, len(VOC_CLASSES))
        return VOC_CLASSES
    highest = max(_highest_value(mask) for _, mask in data.pairs("train"))
    if highest < 1:
        raise UserError(f"{data.folder}: the training masks hold no class beside 0")
    return tuple(f"class {number}" for number in range(highest + 1))


def _check_values(data: Segmentation, n_classes: int, at_most: int = 100) -> None:
    """Looks at some masks of each split: a wrong class list must not surface in the middle of a run."""
    for split in ("train", "val"):
        for _, mask in data.pairs(split)[:at_most]:
            highest = _highest_value(mask)
            if highest >= n_classes:
                raise UserError(
                    f"{mask}: holds class number {highest}, but only {n_classes} classes are named; "
                    "name them all with --classes"
                )


def _highest_value(mask: Path) -> int:
    values = read_mask(mask)
    return int(values[values != IGNORE].max(initial=0))


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """A PNG mask's class numbers, (H, W) uint8; palette colours are not looked at."""
    with Image.open(path) as image:
        values = np.array(image)
    if values.ndim != 2:
        raise UserError(f"{path}: a mask has one channel of class numbers, this one has mode {image.mode}")
    if values.max(initial=0) > 255:
        raise UserError(f"{path}: a mask's class numbers go to 255, this one holds {values.max()}")
    return values.astype(np.uint8)


def read_classes(path: str | os.PathLike, label_map: dict[int, int] | None) -> np.ndarray:
    """A mask's values as class numbers, (H, W) uint8: ``Segmentation.label_map`` applied."""
    table = np.arange(256, dtype=np.uint8)
    for value, number in (label_map or {}).items():
        table[value] = number
    return table[read_mask(path)]


def plain_folders(root: Path) -> tuple[Path, Path] | None:
    """``{img,images}`` and ``{ann,masks}`` in ``root``, each with ``train`` and ``val``; or None."""

    def first(names: tuple[str, ...]) -> Path | None:
        there = (root / name for name in names)
        return next((f for f in there if (f / "train").is_dir() and (f / "val").is_dir()), None)

    images, masks = first(IMAGE_FOLDERS), first(MASK_FOLDERS)
    return (images, masks) if images and masks else None


def _folder_pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    images, masks = plain_folders(root)
    pictures = [path for path in (images / split).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        raise UserError(f"{images / split}: no pictures in it ({', '.join(IMAGE_SUFFIXES)})")
    return [(path, _existing(masks / split / f"{path.stem}.png", path)) for path in sorted(pictures)]


def _voc_pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    names = read_names(root / f"ImageSets/Segmentation/{split}.txt")
    pairs = []
    for name in names:
        picture = _existing(root / f"JPEGImages/{name}.jpg", name)
        pairs.append((picture, _existing(root / f"SegmentationClass/{name}.png", picture)))
    return pairs


def _existing(path: Path, owner: str | Path) -> Path:
    if not path.is_file():
        raise UserError(f"{owner}: its file {path} is missing")
    return path


_PAIRS = {"voc": _voc_pairs, "cityscapes": cityscapes.pairs, "folders": _folder_pairs}
