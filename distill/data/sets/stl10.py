"""STL-10's labelled images, the binary version."""

from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledArray
from distill.data.sets import DataSet

SET = DataSet(
    name="stl10",
    title="STL-10",
    tree=("stl10_binary/{train_X.bin,train_y.bin,test_X.bin,test_y.bin,class_names.txt}",),
    published_at="stl10_binary.tar.gz at cs.stanford.edu/~acoates/stl10",
    train=5000,
    val=8000,
    classes=10,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledArray, LabelledArray]:
    folder = root / "stl10_binary"
    classes = tuple((folder / "class_names.txt").read_text().split())
    train, val = (_part(folder, name, classes) for name in ("train", "test"))
    return train, val


def _part(folder: Path, name: str, classes: tuple[str, ...]) -> LabelledArray:
    """Planes are stored column by column, labels from 1."""
    file = folder / f"{name}_X.bin"
    pixels = np.memmap(file, np.uint8, "r").reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
    labels = np.fromfile(folder / f"{name}_y.bin", np.uint8).astype(np.int64) - 1
    return LabelledArray(file, classes, labels, pixels)


def download(root: Path) -> None:
    from torchvision.datasets import STL10

    STL10(root, download=True)
