"""Which pictures have a label where few do: lists of 1 % or 10 % of them, text files of picture names."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill.data.labelled import LabelledSet
from distill.errors import UserError, unknown
from distill.results.atomic import write_text


@dataclass(frozen=True)
class LabelList:
    """The images of a list, by their numbers ``rows`` (n,) int64, ascending.

    ``file`` is None for a list that nobody keeps, ``seed`` for one that was given.
    """

    file: Path | None
    sha256: str
    rows: np.ndarray
    seed: int | None = None

    def told(self) -> dict:
        """What a result row says of it."""
        said = {"file": self.file and self.file.name, "sha256": self.sha256, "pictures": len(self.rows)}
        return {key: value for key, value in (said | {"seed": self.seed}).items() if value is not None}


def percent_of(share: str) -> float:
    """``'10%'`` -> 10.0.

    Raises:
        UserError: another form, or a share that is not above 0 % and at most 100 %.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%", share)
    if not found or not 0 < float(found[1]) <= 100:
        raise UserError(f"labels {share!r}; valid: a share of them, such as '1%' or '10%'")
    return float(found[1])


def check_lists(lists: dict[str, str], shares: Sequence[str], protocol: str) -> None:
    """Raises UserError unless each of a protocol's lists is for one of the shares that it takes."""
    if isinstance(shares, str):
        raise UserError(f"{protocol}.labels is {shares!r}; valid: shares of them, as in ('1%', '10%')")
    if not isinstance(lists, dict):
        raise UserError(f"{protocol}.lists is {lists!r}; valid: a file for each share, {{'1%': 'FILE'}}")
    for share in shares:
        percent_of(share)
    for share in lists:
        if share not in shares:
            raise unknown(f"share of the labels in {protocol}.lists", share, shares)


def label_list(
    images: LabelledSet,
    share: str,
    lists: dict[str, str],
    seed: int,
    folder: str | os.PathLike | None,
) -> LabelList:
    """The list that is given for a share, else a seeded one: see ``given_list`` and ``seeded_list``."""
    return given_list(lists[share], images) if share in lists else seeded_list(images, share, seed, folder)


def names_of(images: LabelledSet) -> list[str]:
    """What lists call the images of a set: their paths within its folder, or "image 7" of an array.

    A path that is no line of its own, such as one that holds a line's end, is quoted as in Python.
    """
    root = str(images.root).encode(errors="backslashreplace").decode()  # as in the names
    names = (images.name(row) for row in range(len(images)))
    names = [name.removeprefix(root).lstrip(f"{os.sep}, ") for name in names]
    return [name if [name] == [line.strip() for line in name.splitlines()] else ascii(name) for name in names]


def given_list(file: str | os.PathLike, images: LabelledSet) -> LabelList:
    """A list from a file, a name a line: ``class/picture.jpg``, or ``picture.jpg`` as in SimCLR's lists.

    Raises:
        UserError: no such file, an empty one, or a line that names no picture, several, or one twice.
    """
    file = Path(file)
    if not file.is_file():
        raise UserError(f"no such list of labels: {file}")
    content = file.read_bytes()
    lines = [line.strip() for line in content.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{file}: names no picture")
    names = names_of(images)
    bare = [os.path.basename(name) for name in names]
    often = Counter(bare)
    numbers = {name: number for number, name in enumerate(bare) if often[name] == 1}
    numbers |= {name: number for number, name in enumerate(names)}
    if strange := [line for line in lines if line not in numbers]:
        several = " (several pictures have that name: write class/picture)" if often[strange[0]] else ""
        raise UserError(
            f"{file}: {len(strange)} of its {len(lines)} lines name no picture of this data set, "
            f"the first is {strange[0]!r}{several}"
        )
    rows = np.unique([numbers[line] for line in lines])
    if len(rows) < len(lines):
        raise UserError(f"{file}: names {len(lines) - len(rows)} pictures twice")
    return LabelList(file, hashlib.sha256(content).hexdigest(), rows)


def seeded_list(images: LabelledSet, share: str, seed: int, folder: str | os.PathLike | None) -> LabelList:
    """A list of a share of every class, kept in ``folder/label_lists`` and taken from there the next time.

    Lists of consecutive seeds are disjoint, as far as the classes have enough pictures: seeds 0 to 9 for
    10 %, 0 to 99 for 1 % (see ``stratified``).

    Args:
        folder: None to keep it nowhere.

    Raises:
        UserError: a bad share, or a file there that is not whole.
    """
    names, labels = names_of(images), images.labels
    rows = stratified(labels, percent_of(share), seed)
    text = "".join(f"{names[row]}\n" for row in rows)
    if folder is None:
        return LabelList(None, hashlib.sha256(text.encode()).hexdigest(), rows, seed)
    data = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    file = Path(folder) / "label_lists" / f"{share.replace('%', 'percent')}-seed{seed}-{data}.txt"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        write_text(file, text)
    found = given_list(file, images)
    count = len(images.classes)
    if np.any(np.bincount(labels[found.rows], minlength=count) != np.bincount(labels[rows], minlength=count)):
        raise UserError(f"{file}: is not {share} of every class; remove it, and it is written anew")
    return LabelList(file, found.sha256, found.rows, seed)


def stratified(labels: np.ndarray, percent: float, seed: int) -> np.ndarray:
    """Numbers, ascending, of ``percent`` of the pictures of every class, at least one of each.

    A class's pictures in random order are cut into blocks, and ``seed`` counts blocks; the order changes
    only once all blocks are used up. A class too small for so many blocks starts again from the first.

    Args:
        labels: (N,) int64.
    """
    order_seed, block = divmod(seed, int(100 / percent))
    random = np.random.default_rng(order_seed)
    chosen = []
    for label in np.unique(labels):
        order = random.permutation(np.flatnonzero(labels == label))
        size = max(1, round(len(order) * percent / 100))
        chosen.append(order[(block * size + np.arange(size)) % len(order)])
    return np.sort(np.concatenate(chosen))
