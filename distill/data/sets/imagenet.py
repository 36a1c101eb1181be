"""ImageNet (ILSVRC 2012), or any other data laid out like it."""

from pathlib import Path

from distill.data.labelled import LabelledFolder, list_labelled
from distill.data.sets import DataSet

SET = DataSet(
    name="imagenet",
    title="ImageNet",
    tree=("imagenet/train/<class>/<image>", "imagenet/val/<class>/<image>"),
    published_at="ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar (sorted into classes) at image-net.org",
    train=1281167,
    val=50000,
    classes=1000,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledFolder, LabelledFolder]:
    folders = [root / "imagenet" / part for part in ("train", "val")]
    for folder in folders:
        folder.stat()
    train, val = map(list_labelled, folders)
    return train, val
