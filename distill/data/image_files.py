"""Pictures in a fixed order, from a folder of files or from shards."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from PIL import Image

from distill.data.file_index import FileIndex, list_images
from distill.data.images import decode_image, missing, read_content
from distill.data.names import Names, printable
from distill.data.shards import Shards, is_packed
from distill.results.manifest import fingerprint_files


def open_images(root: str | os.PathLike) -> ImageFiles:
    """All images below a folder, sorted by their paths, or those that ``tools/pack_images.py`` packed there.

    Raises:
        UserError: no such folder, no image in it, or shards that are not whole.
    """
    if is_packed(root):
        shards = Shards(root)
        return ImageFiles(root, shards, source=shards)
    return ImageFiles(root, list_images(root))


@dataclass(frozen=True)
class Folder:
    """Pictures that are files below ``root``."""

    root: str | os.PathLike

    def content(self, name: str) -> bytes:
        """A file's bytes; raises OSError."""
        return read_content(os.path.join(self.root, name))

    def fingerprint(self, names: Sequence[str]) -> str:
        if isinstance(names, FileIndex):
            return names.fingerprint()
        return fingerprint_files(self.root, names)


@dataclass(frozen=True)
class ImageFiles:
    """Pictures in a fixed order.

    Attributes:
        root: the folder of the pictures, or of the shards.
        files: their paths; in a folder of files relative to it.
        source: what has their bytes.
    """

    root: str | os.PathLike
    files: Sequence[str]
    source: Folder | Shards = field(default=None, kw_only=True)

    def __post_init__(self):
        object.__setattr__(self, "files", Names.of(self.files))
        if self.source is None:
            object.__setattr__(self, "source", Folder(self.root))

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """What to call a picture in a message and in lists: its path, printable."""
        return printable(os.path.join(self.root, self.files[index]))

    def content(self, index: int) -> bytes:
        """The bytes of a picture's file; raises ``UnreadableImage``."""
        try:
            return self.source.content(self.files[index])
        except OSError as error:
            raise missing(self.name(index), error) from error

    def read(self, index: int) -> Image.Image:
        """A picture, upright, 8-bit RGB; raises ``UnreadableImage``."""
        return decode_image(self.content(index), self.name(index))

    @cached_property
    def fingerprint(self) -> str:
        """Changes when a file is added, removed or renamed, or its size in bytes changes."""
        return self.source.fingerprint(self.files)
