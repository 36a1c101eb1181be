"""Known labelled data sets: one file each, what it is and how its published files are read.

Trees are those that torchvision makes where it has the set, so that what it downloaded serves here. Nothing
is read by torchvision itself: it wants the published files byte by byte, unpickles them whole, and decodes
pictures otherwise than the rest of this package. A module that declares a ``DataSet`` is found by itself.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from distill.errors import UserError, unknown

if TYPE_CHECKING:
    from distill.data.labelled import LabelledSet


@dataclass(frozen=True)
class DataSet:
    """What is known of a labelled data set with its split.

    Attributes:
        name: what rows, ``--sets`` and ``Protocol.sets`` call it.
        title: its name for readers, with the split.
        tree: files and folders below the data root, a line each.
        published_at: which archives hold them, and where.
        train, val, classes: the published numbers of images and classes.
        several: an image may have several labels.
        module: the file's name, which has ``load(root, data_set) -> (train, val)`` and, if torchvision can
            download it, ``download(root)``.
    """

    name: str
    title: str
    tree: tuple[str, ...]
    published_at: str
    train: int
    val: int
    classes: int
    several: bool = False
    module: str = ""

    def missing(self, root: Path, what: object) -> UserError:
        """The error for a set that is not there, with all that a person needs to get it."""
        tree = ", ".join(self.tree)
        return UserError(f"{self.name}: {what}; expected in {root}: {tree}; published: {self.published_at}")


@cache
def declared() -> dict[str, DataSet]:
    """Name -> every set declared in this package, in the order of their names.

    Declarations, ``DataSet(...)`` of literals at the top level of a module, are read without importing it:
    the tools' help must be quick.
    """
    found = [each for path in Path(__file__).parent.glob("*.py") for each in _declared_in(path)]
    return {each.name: each for each in sorted(found, key=lambda each: each.name)}


def _declared_in(path: Path) -> list[DataSet]:
    found = []
    for node in ast.parse(path.read_text()).body:
        call = getattr(node, "value", None)
        if isinstance(call, ast.Call) and getattr(call.func, "id", None) == "DataSet":
            said = {part.arg: ast.literal_eval(part.value) for part in call.keywords}
            found.append(DataSet(**said, module=path.stem))
    return found


def table() -> list[str]:
    """The lines of a Markdown table of all sets, as it stands in ``docs/evaluation.md``."""
    lines = ["| `--sets` | what | train + val, classes | below DIR | published |", "|---|---|---|---|---|"]
    for each in declared().values():
        tree = ", ".join(f"`{line}`" for line in each.tree)
        images = f"{each.train:,} + {each.val:,}, {each.classes}"
        lines.append(f"| `{each.name}` | {each.title} | {images} | {tree} | {each.published_at} |")
    return lines


def load(name: str, root: str | Path, download: bool = False) -> tuple[LabelledSet, LabelledSet]:
    """Training and validation images of a known set.

    Args:
        root: the folder that holds the set's tree.
        download: let torchvision fetch what it can, if the set is not there.

    Raises:
        UserError: no such set, or it is not there as published: the message has the tree and where the
            archives are.
    """
    known = declared()
    if name not in known:
        raise unknown("data set", name, known)
    data_set, root = known[name], Path(root)
    module = import_module(f"{__name__}.{data_set.module}")
    try:
        train, val = _listed(module, root, data_set)
    except FileNotFoundError as error:
        if not download:
            raise data_set.missing(root, f"there is no {error.filename}") from error
        _download(module, root, data_set)
        return load(name, root)
    except UserError:
        raise
    except (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError) as error:
        raise data_set.missing(root, f"its lists are not as published ({error})") from error
    return replace(train, config={"data_root": str(root), "known": name}), val


def _listed(module: ModuleType, root: Path, data_set: DataSet) -> tuple[LabelledSet, LabelledSet]:
    """The two parts; every image has a label, and a file, for a fingerprint looks at all of them."""
    parts = module.load(root, data_set)
    for images in parts:
        labels, classes = images.labels, len(images.classes)
        lowest, highest = (-1, 1) if labels.ndim == 2 else (0, classes - 1)
        if not 0 < len(images) == len(labels) or labels.min() < lowest or labels.max() > highest:
            raise ValueError(f"{len(images)} images, {len(labels)} labels, {classes} classes")
        images.fingerprint  # noqa: B018
    return parts


def _download(module: ModuleType, root: Path, data_set: DataSet) -> None:
    if not hasattr(module, "download"):
        raise data_set.missing(root, "torchvision cannot download it")
    try:
        module.download(root)
    except (OSError, RuntimeError) as error:
        raise data_set.missing(root, f"the download failed ({error})") from error
