"""A shard: a tar file of images, without owner or time, so that the same images make the same bytes."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Sequence

import numpy as np

from distill.results.atomic import atomic_path

BLOCK = tarfile.BLOCKSIZE
# GNU's layout has any bytes in names and any length; the older one ends at 100 bytes
LAYOUT = {"format": tarfile.GNU_FORMAT, "encoding": "utf-8", "errors": "surrogateescape"}


def bytes_in_tar(sizes: np.ndarray) -> np.ndarray:
    """What files of these sizes take, a short name's header with each."""
    return BLOCK + -(-sizes // BLOCK) * BLOCK


def write_tar(path: str | os.PathLike, members: Iterable[tuple[str, bytes]]) -> None:
    """Writes names and contents in their order, the whole file or nothing.

    Raises:
        OSError: a full disk, for one; it names the file.
    """
    with atomic_path(path) as part:
        try:
            with tarfile.open(part, "w", **LAYOUT) as tar:
                for name, content in members:
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error


def places_in_tar(path: str | os.PathLike, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray] | None:
    """Offsets and sizes of the files in bytes, (n,) int64; None unless it is whole, with these names."""
    try:
        with tarfile.open(path, "r:", **LAYOUT) as tar:
            found = [(info.name, info.offset_data, info.size) for info in tar]
    except (FileNotFoundError, tarfile.TarError):
        return None
    if [name for name, _, _ in found] != list(names):
        return None
    offsets, sizes = (np.array(column, np.int64) for column in list(zip(*found, strict=True))[1:])
    end = offsets[-1] + -(-sizes[-1] // BLOCK) * BLOCK
    return (offsets, sizes) if end + 2 * BLOCK <= os.path.getsize(path) else None
