"""SUN397, the first of its ten published partitions: 50 training and 50 test images a class."""

from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledFolder
from distill.data.sets import DataSet

SET = DataSet(
    name="sun397",
    title="SUN397, partition 1",
    tree=("SUN397/<letter>/<class>/<image>", "SUN397/{ClassName.txt,Training_01.txt,Testing_01.txt}"),
    published_at="SUN397.tar.gz, and the two lists in Partitions.zip, at "
    "vision.princeton.edu/projects/2010/SUN",
    train=19850,
    val=19850,
    classes=397,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    folder = root / "SUN397"
    classes = tuple((folder / "ClassName.txt").read_text().split())
    train, val = (_part(folder, name, classes) for name in ("Training_01.txt", "Testing_01.txt"))
    return train, val


def _part(folder: Path, name: str, classes: tuple[str, ...]) -> LabelledFolder:
    """The images of a list; its lines and the classes' names begin with a slash."""
    lines = (folder / name).read_text().split()
    number = {each: label for label, each in enumerate(classes)}
    labels = np.array([number[line.rpartition("/")[0]] for line in lines])
    return LabelledFolder(folder, tuple(line.lstrip("/") for line in lines), classes, labels)


def download(root: Path) -> None:
    """The images; torchvision does not fetch the lists."""
    from torchvision.datasets import SUN397

    SUN397(root, download=True)
