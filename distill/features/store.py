"""The folder that features are kept in, which several processes fill at once and everyone reads.

  embeddings.npy   (N, D) in float16 or float32, a row an image in the data set's order
  cache.json       what they were made from, how many rows are done, which images could not be read
  part-R.json      only while rows are being made: those that process R knows to be made, unreadable images

Each process writes its own part file. The parts become one record, cache.json, when all rows are done.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
from pathlib import Path
from typing import get_args

import numpy as np

from distill.data.images import too_many_unreadable
from distill.distributed import rank
from distill.errors import UserError
from distill.features.records import Dtype, Precision, Record, check_rows, read_part, read_whole
from distill.results.atomic import beside, remove_rests_of_the_dead, write_json
from distill.results.manifest import differing_keys, flatten

DTYPES, PRECISIONS = get_args(Dtype), get_args(Precision)
OLDER = {"precision": "float32"}  # what records without these keys mean
# half precision keeps a unit vector's similarities to about 1e-3: fine at T = 0.04, not at SEED's 1e-4


def describe(
    network: dict, images: int, fingerprint: str, view: dict, dtype: str, precision: str = "float32"
) -> dict:
    """The record of what features are made from, by which ``compare`` tells whether they can be used.

    Args:
        network: its fingerprint: architecture, weights, output, width, mean and standard deviation.
        images: their number.
        fingerprint: of their names and sizes (``fingerprint_files``).
        view: config of the fixed preprocessing.
        dtype: of the rows on the disk, ``float16`` or ``float32``.
        precision: that the network computes in, one of ``PRECISIONS``; other than ``float32`` by autocast.

    Raises:
        UserError: another dtype or precision.
    """
    if dtype not in DTYPES:
        raise UserError(f"cache dtype {dtype!r}; valid: {', '.join(DTYPES)}")
    if precision not in PRECISIONS:
        raise UserError(f"precision is {precision!r}; valid: {', '.join(PRECISIONS)}")
    data = {"images": images, "fingerprint": fingerprint}
    return {"teacher": network, "data": data, "view": view, "dtype": dtype, "precision": precision}


def compare(folder: Path, made_from: dict, wanted: dict) -> None:
    """Raises UserError, with the keys that differ, unless the features are the wanted ones."""
    differing = [key for key in differing_keys(made_from, wanted) if key in flatten(wanted)]
    if differing:
        raise UserError(
            f"{folder}: this cache was made from something else ({', '.join(differing)} differ); "
            "remove it or name another folder"
        )


def read_record(folder: Path) -> dict | None:
    """``made_from``, ``done`` (rows) and ``unreadable`` (paths) of the features in ``folder``, if any.

    Raises:
        UserError: a file there is damaged.
    """
    record = read_whole(folder / "cache.json", Record)
    if record is not None:
        made, unreadable = _state(folder, record["made_from"]["data"]["images"])
        record |= {"done": int(made.sum()), "unreadable": sorted(unreadable)}
    return record


class Store:
    """Features in a folder, for a process that takes part in making them.

    It continues what is already in the folder. Any number of processes may write at once, even if they do
    not know of one another: a row that two of them make is the same in both.

    Args:
        made_from: see ``describe``.
        width: of a row.

    Attributes:
        made: which rows are known to be made, by any process, (N,) bool.
        unreadable: paths of the images that could not be read.

    Raises:
        UserError: the folder holds features of something else, lacks the file of its rows, or a file of it
            is damaged.
        OSError: the disk has no room for the rows.
    """

    def __init__(self, folder: str | os.PathLike, made_from: dict, width: int):
        self.folder, self.count = Path(folder), made_from["data"]["images"]
        self.file, self.part = self.folder / "embeddings.npy", self.folder / f"part-{rank()}.json"
        self.dtype, self.width = np.dtype(made_from["dtype"]), width
        _make(self.folder)
        if not (self.folder / "cache.json").exists():
            self._remove_parts()  # they belong to a record that somebody removed
            _write_first(self.folder / "cache.json", {"made_from": made_from, "done": 0, "unreadable": []})
        self.made_from = {**OLDER, **_record(self.folder)["made_from"]}
        compare(self.folder, self.made_from, made_from)
        self.made, self.unreadable = _state(self.folder, self.count)
        if self.made.any():
            self.offset = check_rows(self.file, (self.count, self.width), self.dtype)
            self._check_room(self.file.stat().st_size)
        else:
            self._lay_out()

    def _lay_out(self) -> None:
        """Makes the file of the rows; processes that do so at once write the same header."""
        if self.file.is_dir():
            raise UserError(f"{self.file} is a folder; remove it")
        header = io.BytesIO()
        description = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.count, self.width)}
        np.lib.format.write_array_header_1_0(header, description)
        self.offset = header.tell()
        size = self.offset + self.count * self.width * self.dtype.itemsize
        self._check_room(size)
        with open(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o666), "rb+") as file:
            file.truncate(size)
            file.write(header.getvalue())

    def _check_room(self, size: int) -> None:
        """Fails now, not after hours, where the disk has no room for all rows: the file may have holes."""
        taken = 512 * self.file.stat().st_blocks if self.file.exists() else 0
        if size - taken > shutil.disk_usage(self.folder).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.file))

    def refresh(self) -> None:
        """Reads which rows other processes have made meanwhile."""
        made, unreadable = _state(self.folder, self.count)
        self.made, self.unreadable = self.made | made, self.unreadable | unreadable

    def write(self, first: int, rows: np.ndarray, unreadable: list[str]) -> None:
        """Writes rows (B, D) from number ``first`` on.

        It uses no memory map: processes on several machines would write whole pages of the file and so
        overwrite each other's rows.

        Raises:
            UserError: more than 1 % of the data set's images are unreadable.
        """
        with open(self.file, "rb+") as file:
            file.seek(self.offset + first * self.width * self.dtype.itemsize)
            file.write(np.ascontiguousarray(rows, self.dtype))
            file.flush()
            os.fsync(file.fileno())  # rows before the record: after a crash in between a batch is repeated
        self.made[first : first + len(rows)] = True
        self.unreadable |= set(unreadable)
        write_json(self.part, {"made": _ranges(self.made), "unreadable": sorted(self.unreadable)})
        if unreadable:
            self.refresh()
            self._check()

    def finish(self) -> None:
        """Puts the parts together, once all rows are made.

        Raises:
            UserError: more than 1 % of the data set's images are unreadable.
        """
        self.refresh()
        assert self.made.all()
        self._check()
        # read after the parts: a process that has removed them wrote this file before
        if _record(self.folder)["done"] < self.count:
            unreadable = sorted(self.unreadable)
            record = {"made_from": self.made_from, "done": self.count, "unreadable": unreadable}
            write_json(self.folder / "cache.json", record)
        self._remove_parts()

    def _remove_parts(self) -> None:
        for part in self.folder.glob("part-*.json"):
            part.unlink(missing_ok=True)
        remove_rests_of_the_dead(self.folder)

    def _check(self) -> None:
        if error := too_many_unreadable(sorted(self.unreadable), self.count):
            raise error

    def rows(self) -> np.ndarray:
        """All rows (N, D), memory-mapped; what is written to them never reaches the file."""
        return np.load(self.file, mmap_mode="c")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{folder}: {error.strerror}; valid: a folder for features") from error


def _state(folder: Path, count: int) -> tuple[np.ndarray, set[str]]:
    made, unreadable = np.zeros(count, dtype=bool), set()
    for file in folder.glob("part-*.json"):
        if (part := read_part(file, count)) is not None:  # else it was removed meanwhile, since all is done
            made |= _mask(part["made"], count)
            unreadable |= set(part["unreadable"])
    record = _record(folder)
    made[: record["done"]] = True
    return made, unreadable | set(record["unreadable"])


def _record(folder: Path) -> dict:
    record = read_whole(folder / "cache.json", Record)
    if record is None:
        raise UserError(f"{folder / 'cache.json'} was removed while features were made; start again")
    return record


def _write_first(path: Path, value: dict) -> None:
    """Writes JSON, unless another process was first."""
    part = beside(path)
    write_json(part, value)
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links here: the second of two processes with different settings would win
        os.replace(part, path)
    part.unlink(missing_ok=True)


def _mask(ranges: list[list[int]], count: int) -> np.ndarray:
    """``[[first, end], ...]`` -> (count,) bool."""
    mask = np.zeros(count, dtype=bool)
    for first, end in ranges:
        mask[first:end] = True
    return mask


def _ranges(mask: np.ndarray) -> list[list[int]]:
    """The inverse of ``_mask``."""
    return np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2).tolist()
