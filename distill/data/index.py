"""Which images a folder holds, however nested."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from distill.data.images import read_image
from distill.errors import UserError
from distill.results.manifest import fingerprint_files

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def list_images(root: str | os.PathLike) -> list[str]:
    """Paths of all images below ``root``, relative to it, sorted; links to folders are followed.

    Raises:
        UserError: no such folder, or no image in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"no such image folder: {root}")
    found = [
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
        if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")
    ]
    if not found:
        raise UserError(f"no images in {root} (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    return sorted(found)


@dataclass(frozen=True)
class ImageFiles:
    """Pictures in a fixed order, ``files`` relative to ``root``."""

    root: str | os.PathLike
    files: Sequence[str]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """What to call a picture in a message: its path."""
        return os.path.join(self.root, self.files[index])

    def read(self, index: int) -> Image.Image:
        """A picture, upright, 8-bit RGB; raises ``UnreadableImage``."""
        return read_image(self.name(index))

    @cached_property
    def fingerprint(self) -> str:
        """Changes when a file is added, removed or renamed, or its size in bytes changes."""
        return fingerprint_files(self.root, self.files)
