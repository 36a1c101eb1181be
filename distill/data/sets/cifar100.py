"""CIFAR-100 with its fine labels, the Python version."""

from pathlib import Path

from distill.data.labelled import LabelledArray
from distill.data.sets import DataSet
from distill.data.sets._cifar import read_batch, read_batches

SET = DataSet(
    name="cifar100",
    title="CIFAR-100",
    tree=("cifar-100-python/{train,test,meta}",),
    published_at="cifar-100-python.tar.gz at www.cs.toronto.edu/~kriz/cifar.html",
    train=50000,
    val=10000,
    classes=100,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledArray, LabelledArray]:
    folder = root / "cifar-100-python"
    classes = read_batch(folder / "meta")["fine_label_names"]
    train, val = (read_batches([folder / part], "fine_labels", classes) for part in ("train", "test"))
    return train, val


def download(root: Path) -> None:
    from torchvision.datasets import CIFAR100

    CIFAR100(root, download=True)
