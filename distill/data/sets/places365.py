"""Places365-Standard, small images (256 x 256)."""

from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledFolder
from distill.data.sets import DataSet

SET = DataSet(
    name="places365",
    title="Places365",
    tree=(
        "places365/data_256/<letter>/<class>/<image>",
        "places365/val_256/<image>",
        "places365/{places365_train_standard,places365_val,categories_places365}.txt",
    ),
    published_at="train_256_places365standard.tar, val_256.tar, filelist_places365-standard.tar at "
    "places2.csail.mit.edu",
    train=1803460,
    val=36500,
    classes=365,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    folder = root / "places365"
    numbered = dict(map(str.split, (folder / "categories_places365.txt").read_text().splitlines()))
    classes = tuple(sorted(numbered, key=lambda name: int(numbered[name])))
    renamed = (folder / "data_256_standard").is_dir()  # by torchvision
    images = "data_256_standard" if renamed else "data_256"
    train = _part(folder, "places365_train_standard.txt", images, classes)
    return train, _part(folder, "places365_val.txt", "val_256", classes)


def _part(folder: Path, name: str, images: str, classes: tuple[str, ...]) -> LabelledFolder:
    """The images of a list of ``path number``."""
    lines = [line.split() for line in (folder / name).read_text().splitlines()]
    files = tuple(f"{images}/{path.lstrip('/')}" for path, _ in lines)
    return LabelledFolder(folder, files, classes, np.array([int(label) for _, label in lines]))


def download(root: Path) -> None:
    from torchvision.datasets import Places365

    for split in ("train-standard", "val"):
        Places365(root / "places365", split, small=True, download=True)
