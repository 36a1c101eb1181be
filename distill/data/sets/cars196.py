"""Stanford Cars: by class, as in metric learning, and by image, as published.

CompRess (Table 4) evaluates on "the validation set" and does not say of which split.
"""

import zlib
from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledFolder, halves_of_classes
from distill.data.sets import DataSet
from distill.errors import UserError

BY_CLASS = DataSet(
    name="cars196_by_class",
    title="Cars-196, classes 1 to 98 / 99 to 196",
    tree=(
        "stanford_cars/{cars_train,cars_test}/<image>",
        "stanford_cars/devkit/{cars_meta,cars_train_annos}.mat",
        "stanford_cars/cars_test_annos_withlabels.mat",
    ),
    published_at="cars_train.tgz, cars_test.tgz, car_devkit.tgz, cars_test_annos_withlabels.mat, formerly at "
    "ai.stanford.edu/~jkrause/cars/car_dataset.html",
    train=8054,
    val=8131,
    classes=98,
)
BY_IMAGE = DataSet(
    name="cars196_by_image",
    title="Cars-196, the published split",
    tree=(
        "stanford_cars/{cars_train,cars_test}/<image>",
        "stanford_cars/devkit/{cars_meta,cars_train_annos}.mat",
        "stanford_cars/cars_test_annos_withlabels.mat",
    ),
    published_at="cars_train.tgz, cars_test.tgz, car_devkit.tgz, cars_test_annos_withlabels.mat, formerly at "
    "ai.stanford.edu/~jkrause/cars/car_dataset.html",
    train=8144,
    val=8041,
    classes=196,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    folder = root / "stanford_cars"
    classes = tuple(_read(folder / "devkit" / "cars_meta.mat")["class_names"].tolist())
    train, val = (
        _part(folder, annotations, images, classes)
        for annotations, images in (
            ("devkit/cars_train_annos.mat", "cars_train"),
            ("cars_test_annos_withlabels.mat", "cars_test"),
        )
    )
    if data_set.name == "cars196_by_image":
        return train, val
    labels = np.concatenate([train.labels, val.labels])
    return halves_of_classes(LabelledFolder(folder, (*train.files, *val.files), classes, labels))


def _part(folder: Path, annotations: str, images: str, classes: tuple[str, ...]) -> LabelledFolder:
    found = _read(folder / annotations)["annotations"]
    files = tuple(f"{images}/{each['fname']}" for each in found)
    return LabelledFolder(folder, files, classes, np.array([int(each["class"]) for each in found]) - 1)


def _read(path: Path) -> dict:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    path.stat()  # scipy's own error does not name the file as others do
    try:
        return loadmat(path, squeeze_me=True)
    except (MatReadError, NotImplementedError, OSError, zlib.error) as error:
        raise UserError(f"{path}: not a MATLAB file as published ({error})") from error
