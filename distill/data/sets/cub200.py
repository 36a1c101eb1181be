"""Caltech-UCSD Birds-200-2011: by class, as in metric learning, and by image, as published.

CompRess (Table 4) evaluates on "the validation set" and does not say of which split.
"""

from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledFolder, halves_of_classes
from distill.data.sets import DataSet

BY_CLASS = DataSet(
    name="cub200_by_class",
    title="CUB-200-2011, classes 1 to 100 / 101 to 200",
    tree=("CUB_200_2011/images/<class>/<image>", "CUB_200_2011/{images,image_class_labels,classes}.txt"),
    published_at="CUB_200_2011.tgz at www.vision.caltech.edu/datasets/cub_200_2011",
    train=5864,
    val=5924,
    classes=100,
)
BY_IMAGE = DataSet(
    name="cub200_by_image",
    title="CUB-200-2011, the published split",
    tree=(
        "CUB_200_2011/images/<class>/<image>",
        "CUB_200_2011/{images,image_class_labels,classes,train_test_split}.txt",
    ),
    published_at="CUB_200_2011.tgz at www.vision.caltech.edu/datasets/cub_200_2011",
    train=5994,
    val=5794,
    classes=200,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    folder = root / "CUB_200_2011"
    files, numbers, classes = (
        _column(folder / name) for name in ("images.txt", "image_class_labels.txt", "classes.txt")
    )
    labels = np.array([int(numbers[image]) for image in files]) - 1
    images = LabelledFolder(folder / "images", tuple(files.values()), tuple(classes.values()), labels)
    if data_set.name == "cub200_by_class":
        return halves_of_classes(images)
    trains = _column(folder / "train_test_split.txt")
    train = np.array([trains[image] == "1" for image in files])
    return images.subset(np.flatnonzero(train)), images.subset(np.flatnonzero(~train))


def _column(path: Path) -> dict[str, str]:
    """Lines of ``number value``."""
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
