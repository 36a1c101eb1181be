"""Places365-Standard, small images (256 x 256); and five disjoint parts of 1 % and 10 % (OSS Table 12).

OSS published no lists of its parts: these are random, the same everywhere, and disjoint.
"""

from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledFolder
from distill.data.sets import DataSet

WHOLE = DataSet(
    name="places365",
    title="Places365",
    tree=(
        "places365/data_256_standard/<letter>/<class>/<image> (the archive's data_256)",
        "places365/val_256/<image>",
        "places365/{places365_train_standard,places365_val,categories_places365}.txt",
    ),
    published_at="train_256_places365standard.tar, val_256.tar, filelist_places365-standard.tar at "
    "places2.csail.mit.edu",
    train=1803460,
    val=36500,
    classes=365,
)
ONE_PERCENT = DataSet(
    name="places365_1pct",
    title="Places365, 1 % of the training images",
    tree=("places365/... as for places365",),
    published_at="as places365",
    train=18035,
    val=36500,
    classes=365,
    splits=5,
)
TEN_PERCENT = DataSet(
    name="places365_10pct",
    title="Places365, 10 % of the training images",
    tree=("places365/... as for places365",),
    published_at="as places365",
    train=180346,
    val=36500,
    classes=365,
    splits=5,
)
SHARES = {"places365_1pct": 0.01, "places365_10pct": 0.1}


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    folder = root / "places365"
    numbered = dict(map(str.split, (folder / "categories_places365.txt").read_text().splitlines()))
    classes = tuple(sorted(numbered, key=lambda name: int(numbered[name])))
    train = _part(folder, "places365_train_standard.txt", "data_256_standard", classes)
    if share := SHARES.get(data_set.name.rpartition("_split")[0]):
        train = train.subset(part(len(train), share, data_set.split))
    return train, _part(folder, "places365_val.txt", "val_256", classes)


def part(count: int, share: float, split: int) -> np.ndarray:
    """Sorted numbers of the images of one of the disjoint random parts."""
    size = max(1, round(share * count))
    # RandomState: NumPy keeps its numbers the same in all versions
    return np.sort(np.random.RandomState(0).permutation(count)[split * size : (split + 1) * size])


def _part(folder: Path, name: str, images: str, classes: tuple[str, ...]) -> LabelledFolder:
    """The images of a list of ``path number``."""
    lines = [line.split() for line in (folder / name).read_text().splitlines()]
    files = tuple(f"{images}/{path.lstrip('/')}" for path, _ in lines)
    return LabelledFolder(folder, files, classes, np.array([int(label) for _, label in lines]))


def download(root: Path) -> None:
    from torchvision.datasets import Places365

    for split in ("train-standard", "val"):
        Places365(root / "places365", split, small=True, download=True)
