"""Pascal VOC: the layout of its detection data."""

import os
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from distill.errors import UserError
from transfer.datasets.layout import find_folder, read_names

NEEDS = ("Annotations", "JPEGImages", "ImageSets/Main/trainval.txt", "ImageSets/Main/test.txt")
INSIDE = ("", "VOC2007", "VOCdevkit/VOC2007", "voc/VOCdevkit/VOC2007")


@dataclass(frozen=True)
class VocObject:
    """One box as VOC writes it: pixels counted from 1, the last one included."""

    name: str
    box: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class VocImage:
    """One picture of a detection split."""

    name: str
    path: Path
    width: int
    height: int
    objects: tuple[VocObject, ...]


@dataclass(frozen=True)
class VocDetection:
    """A folder in VOC2007's layout and the classes its boxes are named after."""

    folder: Path
    classes: tuple[str, ...]

    def images(self, split: str) -> list[VocImage]:
        """The pictures of ``ImageSets/Main/<split>.txt`` with their boxes."""
        names = read_names(self.folder / f"ImageSets/Main/{split}.txt")
        return [read_annotation(self.folder, name) for name in names]


def find_detection(root: str | os.PathLike, classes: tuple[str, ...] | None = None) -> VocDetection:
    """The VOC2007 layout in or below ``root``: trains on ``trainval``, tests on ``test``.

    Args:
        classes: names to detect; by default those of the training boxes, sorted (VOC's own order).

    Raises:
        UserError: no such layout, a split or picture missing, or boxes of a class not named.
    """
    folder = find_folder(root, INSIDE, NEEDS, "VOC2007 detection data")
    found = {split: _classes(folder, split) for split in ("trainval", "test")}
    names = tuple(classes) if classes else tuple(sorted(found["trainval"]))
    for split, present in found.items():
        strange = sorted(present - set(names))
        if strange:
            raise UserError(
                f"{folder}: {split} has boxes of {', '.join(strange)}, which "
                f"{'--classes does not name' if classes else 'trainval has not; give --classes'}: "
                f"{', '.join(names)}"
            )
    return VocDetection(folder, names)


def _classes(folder: Path, split: str) -> set[str]:
    images = (read_annotation(folder, name) for name in read_names(folder / f"ImageSets/Main/{split}.txt"))
    return {item.name for image in images for item in image.objects}


def read_annotation(folder: Path, name: str) -> VocImage:
    """Reads one picture's XML; ``difficult`` may be absent, other tags are not needed.

    Raises:
        UserError: naming the missing file, or the tag that is missing or not a number.
    """
    path, picture = folder / f"Annotations/{name}.xml", folder / f"JPEGImages/{name}.jpg"
    for file in (path, picture):
        if not file.is_file():
            raise UserError(f"no such file: {file}")
    try:
        tree = ElementTree.parse(path)
        objects = []
        for item in tree.iterfind("object"):
            left, top, right, bottom = (
                float(item.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            difficult = (item.findtext("difficult") or "0").strip() == "1"
            objects.append(VocObject(item.findtext("name").strip(), (left, top, right, bottom), difficult))
        width, height = (int(tree.findtext(f"size/{side}")) for side in ("width", "height"))
    except (ElementTree.ParseError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f"{path}: not a VOC annotation ({error}); it needs size/width, size/height and, for every "
            "object, name and bndbox/xmin, ymin, xmax, ymax"
        ) from error
    return VocImage(name, picture, width, height, tuple(objects))
