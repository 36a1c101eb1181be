"""PASCAL VOC 2007 classification: which classes an image shows.

An image whose objects of a class are all marked "difficult" has the label -1 for it, as in VOC's own lists.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from distill.data.labelled import LabelledFolder
from distill.data.sets import DataSet

SET = DataSet(
    name="voc07",
    title="VOC 2007 classification",
    tree=("VOC2007/{JPEGImages,Annotations}", "VOC2007/ImageSets/Main/{trainval,test}.txt"),
    published_at="VOCtrainval_06-Nov-2007.tar, VOCtest_06-Nov-2007.tar at "
    "host.robots.ox.ac.uk/pascal/VOC/voc2007",
    train=5011,
    val=4952,
    classes=20,
    several=True,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    places = [root / "VOC2007", root / "VOCdevkit" / "VOC2007"]  # the second is where the archives unpack
    folder = next((place for place in places if place.is_dir()), places[0])
    parts = [(folder / "ImageSets/Main" / f"{part}.txt").read_text().split() for part in ("trainval", "test")]
    objects = [[_objects(folder / "Annotations" / f"{name}.xml") for name in names] for names in parts]
    classes = tuple(sorted({name for part in objects for found in part for name, _ in found}))
    train, val = (
        LabelledFolder(
            folder / "JPEGImages", tuple(f"{name}.jpg" for name in names), classes, _labels(found, classes)
        )
        for names, found in zip(parts, objects, strict=True)
    )
    return train, val


def _objects(path: Path) -> list[tuple[str, bool]]:
    """Class and whether it is difficult, of each object in an annotation."""
    found = ElementTree.parse(path).getroot().iter("object")
    return [(each.findtext("name").strip(), each.findtext("difficult", "0").strip() == "1") for each in found]


def _labels(objects: list[list[tuple[str, bool]]], classes: tuple[str, ...]) -> np.ndarray:
    """(N, C) int8: 1 if an object of the class is not difficult, -1 if all of them are, 0 without any."""
    labels = np.zeros((len(objects), len(classes)), np.int8)
    for row, found in enumerate(objects):
        for name, difficult in sorted(found, key=lambda each: not each[1]):  # a clear one has the last word
            labels[row, classes.index(name)] = -1 if difficult else 1
    return labels


def download(root: Path) -> None:
    from torchvision.datasets import VOCDetection

    for part in ("trainval", "test"):
        VOCDetection(root, "2007", part, download=True)
