"""Arrays in one file that is written whole, checked when it is opened, and mapped into memory."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from dataclasses import dataclass

import numpy as np

from distill.results.atomic import atomic_path

ALIGNED = 64  # bytes: arrays start at multiples of it
LONGEST_HEADER = 1 << 24


class NotWhole(ValueError):
    """A file that is torn, of another kind or version, or not of this format at all."""


@dataclass(frozen=True)
class Mapped:
    """``record``: what was written beside the arrays; ``arrays``: read-only, they lie in the mapped file."""

    record: dict
    arrays: dict[str, np.ndarray]


def write_arrays(path: str | os.PathLike, kind: str, record: dict, arrays: dict[str, np.ndarray]) -> None:
    """Writes a file for ``map_arrays``: a line of JSON, padded with spaces, then the arrays.

    Args:
        kind: what the file is, with the version of its layout.
        record: JSON values to keep with the arrays.

    Raises:
        OSError: a full disk, or a folder that cannot be written to.
    """
    arrays = dict(sorted(arrays.items()))  # the order of the header, which a reader goes by
    layout, end = {}, 0
    for name, array in arrays.items():
        layout[name] = {"dtype": array.dtype.str, "shape": array.shape, "at": end}
        end += -(-array.nbytes // ALIGNED) * ALIGNED
    header = {"kind": kind, "record": record, "arrays": layout, "bytes": end}
    with atomic_path(path) as part:
        with open(part, "wb") as file:
            file.write(_line(header | {"sha256": _digest(header, arrays.values())}))
            for array in arrays.values():
                file.write(np.ascontiguousarray(array))
                file.write(bytes(-array.nbytes % ALIGNED))


def map_arrays(path: str | os.PathLike, kind: str) -> Mapped:
    """Opens a file of ``write_arrays``; every byte of it is checked.

    Raises:
        NotWhole: anything but the whole file as it was written, of this kind.
        OSError: it is not there, or cannot be read.
    """
    with open(path, "rb") as file:
        line = file.readline(LONGEST_HEADER)
        try:
            header = json.loads(line)
            if header["kind"] != kind:
                raise NotWhole(f"{path}: kind {header['kind']!r}, not {kind!r}")
            digest = header.pop("sha256")
            if os.fstat(file.fileno()).st_size != len(line) + header["bytes"]:
                raise NotWhole(f"{path}: torn")
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            arrays = {name: _array(memory, len(line), **about) for name, about in header["arrays"].items()}
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise NotWhole(f"{path}: {error}") from error
    if _digest(header, arrays.values()) != digest:
        raise NotWhole(f"{path}: its content is not what was written")
    return Mapped(header["record"], arrays)


def _line(header: dict) -> bytes:
    text = json.dumps(header, sort_keys=True).encode()
    return text.ljust(-(-(len(text) + 1) // ALIGNED) * ALIGNED - 1) + b"\n"


def _array(memory: mmap.mmap, first: int, dtype: str, shape: list[int], at: int) -> np.ndarray:
    count = int(np.prod(shape, dtype=np.int64))
    if count == 0:
        return np.zeros(shape, dtype)  # it has no place in the file
    return np.frombuffer(memory, dtype, count, first + at).reshape(shape)


def _digest(header: dict, arrays) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
