"""Pictures with class masks in any of three layouts: VOC2012, Cityscapes, or two plain folders."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from distill.data.images import formats, read_content, read_size
from distill.errors import UserError
from transfer.datasets import cityscapes
from transfer.datasets.check import IN_BOTH, MISSING, TWICE, UNREADABLE, Problems
from transfer.datasets.layout import find_folder, has_folder, read_names

IGNORE = 255
NO_MASK = "without a mask, left out"
BAD_MASK = "with a mask that cannot be read, left out"
OTHER_MASK = "with a mask of another size, left out"
NO_CLASS = "with class numbers of no class, left out"
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


class NoClass(UserError):
    """A mask that holds a number which is no class; the message names both."""


@dataclass(frozen=True)
class Segmentation:
    """A segmentation dataset: ``layout`` is ``voc``, ``cityscapes`` or ``folders``.

    ``label_map`` is mask value -> class number (255: ignored); None leaves the values as they are.
    """

    layout: str
    folder: Path
    classes: tuple[str, ...]
    label_map: dict[int, int] | None = None
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def pairs(self, split: str) -> list[tuple[Path, Path]]:
        """(picture, mask) of ``train`` or ``val``, without the pictures in ``left_out``."""
        left_out = set(self.left_out.get(split, ()))
        return [pair for pair in dict.fromkeys(self.listed(split)) if self.name(pair[0]) not in left_out]

    def listed(self, split: str) -> list[tuple[Path, Path]]:
        """All of them, as they are listed."""
        return _PAIRS[self.layout](self.folder, split)

    def name(self, picture: Path) -> str:
        """What ``left_out`` calls a picture: its path within the folder."""
        return picture.relative_to(self.folder).as_posix()

    def look_at(self, problems: Problems) -> Segmentation:
        """The data without the pictures that have defects, which are told to ``problems``.

        Of all pictures and masks the first bytes are looked at. The masks that are tested on, and the first
        hundred that are trained on, are decoded; ``read_classes`` finds out the rest when it is trained on.
        """
        left_out, tested = {}, set()
        look = partial(_look_at, classes=len(self.classes), label_map=self.label_map)
        for split, at_most in (("val", None), ("train", 100)):
            listed = self.listed(split)
            part = problems.part(f"{self.folder}: {split}", "pictures", len(listed))
            pairs = Counter(listed)
            with ThreadPoolExecutor() as pool:
                whole = (at_most is None or number < at_most for number in range(len(pairs)))
                found = list(pool.map(look, pairs, whole))
            for ((picture, _), often), (kind, detail) in zip(pairs.items(), found, strict=True):
                if often > 1:
                    part.add(TWICE, self.name(picture))
                if kind := IN_BOTH if picture in tested else kind:
                    part.add(kind, f"{self.name(picture)}{detail}")
                    left_out.setdefault(split, []).append(self.name(picture))
            tested = {picture for picture, _ in pairs}
        return replace(self, left_out=left_out)


def find_segmentation(
    root: str | os.PathLike,
    layout: str,
    classes: tuple[str, ...] | None = None,
    left_out: Mapping[str, Sequence[str]] | None = None,
    problems: Problems | None = None,
) -> Segmentation:
    """The layout asked for in or below ``root``, or ``{img,images}/{train,val}`` beside
    ``{ann,masks}/{train,val}`` with PNG masks of class numbers (255: ignored).

    Args:
        layout: ``voc_masks`` or ``cityscapes_masks``.
        classes: class names, in the order of the mask values. By default the data set's own names,
            ``classes.txt`` in the folder, or ``class 0`` to the highest value in the training masks.
        left_out: split -> pictures to leave out.
        problems: look at pictures and masks, leave out those with defects, and tell them; None: do not look.

    Raises:
        UserError: neither layout is there, or there are no pictures of a split.
    """
    data = replace(_find(root, layout, classes), left_out=left_out or {})
    return data if problems is None else data.look_at(problems)


def _find(root: str | os.PathLike, layout: str, classes: tuple[str, ...] | None) -> Segmentation:
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
        return tuple(classes)
    if data.layout == "voc":
        return VOC_CLASSES
    highest = max(_highest_value(mask) for _, mask in data.pairs("train"))
    if highest < 1:
        raise UserError(f"{data.folder}: the training masks hold no class beside 0")
    return tuple(f"class {number}" for number in range(highest + 1))


def _highest_value(mask: Path) -> int:
    try:
        values = read_mask(mask)
    except UserError:
        return 0  # it is told when it is looked at
    return int(values[values != IGNORE].max(initial=0))


def _look_at(pair: tuple[Path, Path], whole: bool, classes: int, label_map: dict | None) -> tuple[str, str]:
    """What is wrong with a picture and its mask, "" for nothing, and in detail."""
    picture, mask = pair
    try:
        size = read_size(picture)
    except UserError:
        return (UNREADABLE if picture.is_file() else MISSING), ""
    if not mask.is_file():
        return NO_MASK, f": its mask {mask} is missing"
    try:
        image = open_mask(mask, whole)
        if image.size != size:
            return OTHER_MASK, f": {image.width} x {image.height}, not {size[0]} x {size[1]}"
        if whole:
            _classes_of(_values_of(image, mask), mask, label_map, classes)
    except NoClass as error:
        return NO_CLASS, f": {error}"
    except UserError as error:
        return BAD_MASK, f": {error}"
    return "", ""


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """A PNG mask's class numbers, (H, W) uint8; palette colours are not looked at.

    Raises:
        UserError: no such file, torn, or no single channel of numbers up to 255.
    """
    return _values_of(open_mask(path, whole=True), path)


def _values_of(image: Image.Image, path: str | os.PathLike) -> np.ndarray:
    values = np.array(image)
    if values.max(initial=0) > 255:
        raise UserError(f"{path}: a mask's class numbers go to 255, this one holds {values.max()}")
    return values.astype(np.uint8)


def open_mask(path: str | os.PathLike, whole: bool) -> Image.Image:
    """A mask, whose pixels are read if it is wanted ``whole``."""
    try:
        image = Image.open(io.BytesIO(read_content(path)), formats=formats())
        if whole:
            image.load()
    except OSError as error:
        raise UserError(f"{path}: no whole mask ({error.strerror or error})") from error
    except Exception as error:  # Pillow's decoders raise any kind for a damaged file
        raise UserError(f"{path}: no whole mask ({error})") from error
    if len(image.getbands()) > 1:
        raise UserError(f"{path}: a mask has one channel of class numbers, this one has mode {image.mode}")
    return image


def read_classes(path: str | os.PathLike, label_map: dict[int, int] | None, classes: int) -> np.ndarray:
    """A mask's values as class numbers, (H, W) uint8: ``Segmentation.label_map`` applied.

    Args:
        classes: how many there are.

    Raises:
        NoClass: a number that is neither a class nor 255.
        UserError: what ``read_mask`` raises.
    """
    return _classes_of(read_mask(path), path, label_map, classes)


def _classes_of(
    values: np.ndarray, path: str | os.PathLike, label_map: dict[int, int] | None, classes: int
) -> np.ndarray:
    table = np.arange(256, dtype=np.uint8)
    for value, number in (label_map or {}).items():
        table[value] = number
    strange = (table >= classes) & (table != IGNORE)
    if strange[values].any():
        highest = table[values[strange[values]]].max()
        raise NoClass(
            f"{path}: holds class number {highest}, but only {classes} classes are named; "
            "name them all with --classes"
        )
    return table[values]


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
    return [(path, masks / split / f"{path.stem}.png") for path in sorted(pictures)]


def _voc_pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    names = read_names(root / f"ImageSets/Segmentation/{split}.txt")
    return [(root / f"JPEGImages/{name}.jpg", root / f"SegmentationClass/{name}.png") for name in names]


_PAIRS = {"voc": _voc_pairs, "cityscapes": cityscapes.pairs, "folders": _folder_pairs}
