"""Places205, resized images (256 x 256), by the published lists; or sorted into ``train`` and ``val``."""

from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledFolder, list_labelled
from distill.data.sets import DataSet

SET = DataSet(
    name="places205",
    title="Places205",
    tree=(
        "places205/data/vision/torralba/deeplearning/images256/<letter>/<class>/<image>",
        "places205/trainvalsplit_places205/{train,val}_places205.csv",
    ),
    published_at="imagesPlaces205_resize.tar.gz, trainvalsplit_places205.tar.gz at places.csail.mit.edu",
    train=2448873,
    val=20500,
    classes=205,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    folder = root / "places205"
    if (folder / "train").is_dir():
        return list_labelled(folder / "train"), list_labelled(folder / "val")
    parts = [
        [line.split() for line in (folder / "trainvalsplit_places205" / name).read_text().splitlines()]
        for name in ("train_places205.csv", "val_places205.csv")
    ]
    # a list gives path and number; the folder is the class
    numbered = {int(label): path.rpartition("/")[0] for lines in parts for path, label in lines}
    classes = tuple(numbered[label] for label in sorted(numbered))
    images = folder / "data/vision/torralba/deeplearning/images256"
    train, val = (
        LabelledFolder(
            images, tuple(path for path, _ in lines), classes, np.array([int(label) for _, label in lines])
        )
        for lines in parts
    )
    return train, val
