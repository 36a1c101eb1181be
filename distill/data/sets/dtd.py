"""The Describable Textures Dataset, the first of its ten partitions.

OSS says no more than "the first split" (B.2), as do the papers that it follows; those train on train and val
together and test on test, which is ``dtd`` here. ``dtd_train`` leaves the images of val out.
"""

from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledFolder
from distill.data.sets import DataSet

TRAIN_AND_VAL = DataSet(
    name="dtd",
    title="DTD, partition 1, trained on train and val",
    tree=("dtd/images/<class>/<image>", "dtd/labels/{train1,val1,test1}.txt"),
    published_at="dtd-r1.0.1.tar.gz at www.robots.ox.ac.uk/~vgg/data/dtd",
    train=3760,
    val=1880,
    classes=47,
)
TRAIN = DataSet(
    name="dtd_train",
    title="DTD, partition 1, trained on train alone",
    tree=("dtd/images/<class>/<image>", "dtd/labels/{train1,test1}.txt"),
    published_at="dtd-r1.0.1.tar.gz at www.robots.ox.ac.uk/~vgg/data/dtd",
    train=1880,
    val=1880,
    classes=47,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    folder = root / "dtd"
    if (folder / "dtd").is_dir():  # where torchvision unpacks it
        folder = folder / "dtd"
    trained_on = ["train1"] if data_set.name == "dtd_train" else ["train1", "val1"]
    parts = [
        [file for name in names for file in (folder / "labels" / f"{name}.txt").read_text().split()]
        for names in (trained_on, ["test1"])
    ]
    classes = tuple(sorted({_class(file) for files in parts for file in files}))
    train, val = (
        LabelledFolder(
            folder / "images",
            tuple(files),
            classes,
            np.array([classes.index(_class(file)) for file in files]),
        )
        for files in parts
    )
    return train, val


def _class(file: str) -> str:
    return file.partition("/")[0]


def download(root: Path) -> None:
    from torchvision.datasets import DTD

    DTD(root, download=True)
