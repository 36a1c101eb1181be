"""How CIFAR's batches are read."""

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledArray
from distill.errors import UserError

# what a pickled array is made of, by the versions of Python and NumPy that write it
ARRAYS = {
    ("numpy", "dtype"), ("numpy", "ndarray"), ("_codecs", "encode"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
}  # fmt: skip


class Plain(pickle.Unpickler):
    """Reads containers, text and arrays; a file that names anything else is refused before it can run."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it needs {module}.{name}, which CIFAR's files do not")
        return super().find_class(module, name)


def read_batch(path: Path) -> dict:
    try:
        with open(path, "rb") as file:
            return Plain(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError) as error:
        raise UserError(f"{path}: not a batch of CIFAR: {error or 'it ends early'}") from error


def read_batches(paths: Sequence[Path], key: str, classes: Sequence[str]) -> LabelledArray:
    """The images of several files, one after the other; ``key`` is that of their labels."""
    batches = [read_batch(path) for path in paths]
    pixels = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([batch[key] for batch in batches]).astype(np.int64)
    root = paths[0] if len(paths) == 1 else paths[0].parent
    return LabelledArray(root, tuple(classes), labels, pixels.transpose(0, 2, 3, 1))
