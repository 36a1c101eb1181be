"""Images in tar files, which ``tools/pack_images.py`` wrote, read by their places.

  images-000000.tar, ...   the images under their paths, uncompressed: what ``tar`` and ``webdataset`` read
  packed_images.json       what they are made from, and how; it is there first
  packed_images.index      names, places, sizes and fingerprint; it is there when all shards are
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import numpy as np

from distill.data.mapped import NotWhole, map_arrays
from distill.data.names import Names
from distill.errors import UserError
from distill.results.manifest import fingerprint_names

RECORD, INDEX = "packed_images.json", "packed_images.index"
KIND = "distill shards 1"
MOST_OPEN = 256  # files of a process: 1,024 in all are usual, and the loader needs some


def is_packed(root: str | os.PathLike) -> bool:
    """Whether a folder holds shards, or those of an interrupted packing."""
    return any(os.path.isfile(os.path.join(root, name)) for name in (RECORD, INDEX))


class Shards(Names):
    """The images of a folder of shards: their names, sorted as those of the folder that was packed.

    It is opened once and may then be read in any number of forked processes.

    Args:
        root: the folder of the shards.

    Attributes:
        record: ``fingerprint`` of the images in the shards, ``source`` that of the folder, ``max_side``,
            and ``shards``, names and bytes of the files.

    Raises:
        UserError: packing was interrupted, or a file is missing or torn.
    """

    def __init__(self, root: str | os.PathLike):
        self.root, self._open = Path(root), OrderedDict()
        again = "give the tools/pack_images.py command again, it keeps what is whole"
        try:
            found = map_arrays(self.root / INDEX, KIND)
        except FileNotFoundError:
            raise UserError(f"{root}: the images are not all packed; {again}") from None
        except NotWhole as error:
            raise UserError(f"{self.root / INDEX}: torn, or of another version; {again}") from error
        names = Names.from_offsets(found.arrays["names"], found.arrays["name_offsets"])
        super().__init__(names.text, names.starts, names.ends)
        self.record, self.sizes = found.record, found.arrays["sizes"]
        self._shards, self._offsets = found.arrays["shards"], found.arrays["offsets"]
        for name, size in self.record["shards"]:
            file = self.root / name
            if not file.is_file():
                raise UserError(f"{file}: this shard is missing; {again}")
            if file.stat().st_size != size:
                raise UserError(f"{file}: torn, {file.stat().st_size} bytes of {size}; {again}")

    def content(self, name: str) -> bytes:
        """The bytes of an image's file.

        Raises:
            FileNotFoundError: no image of that name.
            UserError: its shard was removed or torn since the shards were opened.
        """
        row = self._row(name)
        shard, size = int(self._shards[row]), int(self.sizes[row])
        try:
            # with a place of its own each read is right, though forked processes share the open file
            content = os.pread(self._file(shard).fileno(), size, int(self._offsets[row]))
        except FileNotFoundError as error:
            raise UserError(f"{error.filename}: this shard is missing") from error
        if len(content) != size:
            raise UserError(f"{self.root / self.record['shards'][shard][0]}: torn, it ends within {name}")
        return content

    def fingerprint(self, names: Sequence[str]) -> str:
        """``fingerprint_files`` of these images, as if they were files."""
        if names is self:
            return self.record["fingerprint"]
        return fingerprint_names(names, self.sizes[[self._row(name) for name in names]].tolist())

    def _row(self, name: str) -> int:
        row = bisect_left(self, name)
        if row == len(self) or self[row] != name:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return row

    def _file(self, shard: int) -> FileIO:
        if shard not in self._open:
            self._open[shard] = open(self.root / self.record["shards"][shard][0], "rb", buffering=0)
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(shard)
        return self._open[shard]

    def __reduce__(self):
        return Shards, (self.root,)


def index_arrays(names: Names, offsets: np.ndarray, sizes: np.ndarray, shards: np.ndarray) -> dict:
    """The arrays of ``packed_images.index``.

    Args:
        offsets, sizes: (N,) int64, bytes: where an image begins in its shard, and its length.
        shards: (N,) int32, the number of its shard.
    """
    text, name_offsets = names.to_offsets()
    places = {"offsets": offsets, "sizes": sizes, "shards": shards.astype(np.int32)}
    return {"names": text, "name_offsets": name_offsets} | places
