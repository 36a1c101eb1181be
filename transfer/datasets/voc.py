"""Pascal VOC: the layout of its detection data."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from distill.errors import UserError
from transfer.datasets.check import CLIPPED, IN_BOTH, TWICE, Part, Problems, judge, look_at_pictures
from transfer.datasets.layout import find_folder, read_names

NEEDS = ("Annotations", "JPEGImages", "ImageSets/Main/trainval.txt", "ImageSets/Main/test.txt")
INSIDE = ("", "VOC2007", "VOCdevkit/VOC2007", "voc/VOCdevkit/VOC2007")

NO_ANNOTATION = "without a whole annotation, left out"


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
    """A folder in VOC2007's layout and the classes its boxes are named after.

    ``left_out`` is split -> names of the pictures that are left out.
    """

    folder: Path
    classes: tuple[str, ...]
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def listed(self, split: str) -> list[str]:
        """The names in ``ImageSets/Main/<split>.txt``."""
        return read_names(self.folder / f"ImageSets/Main/{split}.txt")

    def images(self, split: str) -> list[VocImage]:
        """The pictures of a split with their boxes, but for those in ``left_out``."""
        names = dict.fromkeys(self.listed(split))
        left_out = set(self.left_out.get(split, ()))
        return [read_annotation(self.folder, name) for name in names if name not in left_out]

    def look_at(self, problems: Problems) -> VocDetection:
        """The data without the pictures that have defects; these and defects of boxes are told."""
        tested = set(self.listed("test"))
        left_out = {
            "test": self._look_at("test", problems, set()),
            "trainval": self._look_at("trainval", problems, tested),
        }
        return replace(self, left_out={split: names for split, names in left_out.items() if names})

    def _look_at(self, split: str, problems: Problems, tested: set[str]) -> list[str]:
        names, file = self.listed(split), self.folder / f"ImageSets/Main/{split}.txt"
        pictures = problems.part(file, "pictures", len(names))
        boxes = problems.part(f"{file}", "boxes")
        left_out, images = [], []
        for name, often in Counter(names).items():
            if often > 1:
                pictures.add(TWICE, name)
            if name in tested:
                pictures.add(IN_BOTH, name)
                left_out.append(name)
                continue
            try:
                images.append(read_annotation(self.folder, name, boxes))
            except UserError as error:
                pictures.add(NO_ANNOTATION, error)
                left_out.append(name)
        listed = ((image.name, image.path, (image.width, image.height)) for image in images)
        return left_out + look_at_pictures(listed, pictures)


def find_detection(
    root: str | os.PathLike,
    classes: tuple[str, ...] | None = None,
    left_out: Mapping[str, Sequence[str]] | None = None,
    problems: Problems | None = None,
) -> VocDetection:
    """The VOC2007 layout in or below ``root``: trains on ``trainval``, tests on ``test``.

    Args:
        classes: names to detect; by default those of the training boxes, sorted (VOC's own order).
        left_out, problems: as in ``find_boxes``.

    Raises:
        UserError: no such layout, a split missing, an annotation torn, or boxes of a class not named.
    """
    folder = find_folder(root, INSIDE, NEEDS, "VOC2007 detection data")
    data = VocDetection(folder, tuple(classes or ()), left_out or {})
    if problems is not None:
        data = data.look_at(problems)
        problems.check()  # before what is left is taken for the whole
    found = {
        split: {item.name for image in data.images(split) for item in image.objects}
        for split in ("trainval", "test")
    }
    names = data.classes or tuple(sorted(found["trainval"]))
    for split, present in found.items():
        strange = sorted(present - set(names))
        if strange:
            raise UserError(
                f"{folder}: {split} has boxes of {', '.join(strange)}, which "
                f"{'--classes does not name' if classes else 'trainval has not; give --classes'}: "
                f"{', '.join(names)}"
            )
    return replace(data, classes=names)


def read_annotation(folder: Path, name: str, boxes: Part | None = None) -> VocImage:
    """Reads one picture's XML; ``difficult`` may be absent, other tags are not needed.

    A box with a defect is left out, or clipped, and told to ``boxes``, if that is given: see ``check``.

    Raises:
        UserError: naming the missing file, or the tag that is missing or not a number.
    """
    path, picture = folder / f"Annotations/{name}.xml", folder / f"JPEGImages/{name}.jpg"
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    try:
        tree = ElementTree.parse(path)
        found = []
        for item in tree.iterfind("object"):
            box = tuple(float(item.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
            difficult = (item.findtext("difficult") or "0").strip() == "1"
            found.append(VocObject(item.findtext("name").strip(), box, difficult))
        width, height = (int(tree.findtext(f"size/{side}")) for side in ("width", "height"))
    except (ElementTree.ParseError, TypeError, AttributeError, ValueError) as error:
        raise UserError(
            f"{path}: not a VOC annotation ({error}); it needs size/width, size/height and, for every "
            "object, name and bndbox/xmin, ymin, xmax, ymax"
        ) from error
    boxes = Part("", "boxes") if boxes is None else boxes
    boxes.total += len(found)
    objects = []
    for number, item in enumerate(found, start=1):
        left, top, right, bottom = item.box
        defect, edges = judge((left - 1, top - 1, right, bottom), width, height)
        if defect:
            boxes.add(defect, f"{name}.xml, object {number}")
        if defect == CLIPPED:
            item = replace(item, box=(edges[0] + 1, edges[1] + 1, edges[2], edges[3]))
        if defect in ("", CLIPPED):
            objects.append(item)
    return VocImage(name, picture, width, height, tuple(objects))
