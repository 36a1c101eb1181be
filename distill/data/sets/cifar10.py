"""CIFAR-10, the Python version."""

from pathlib import Path

from distill.data.labelled import LabelledArray
from distill.data.sets import DataSet
from distill.data.sets._cifar import read_batch, read_batches

SET = DataSet(
    name="cifar10",
    title="CIFAR-10",
    tree=("cifar-10-batches-py/data_batch_{1,2,3,4,5}", "cifar-10-batches-py/{test_batch,batches.meta}"),
    published_at="cifar-10-python.tar.gz at www.cs.toronto.edu/~kriz/cifar.html",
    train=50000,
    val=10000,
    classes=10,
)


def load(root: Path, data_set: DataSet) -> tuple[LabelledArray, LabelledArray]:
    folder = root / "cifar-10-batches-py"
    classes = read_batch(folder / "batches.meta")["label_names"]
    train = read_batches([folder / f"data_batch_{number}" for number in range(1, 6)], "labels", classes)
    return train, read_batches([folder / "test_batch"], "labels", classes)


def download(root: Path) -> None:
    from torchvision.datasets import CIFAR10

    CIFAR10(root, download=True)
