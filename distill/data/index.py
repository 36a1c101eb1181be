"""Which images a folder holds, however nested."""

import os
from pathlib import Path

from distill.errors import UserError

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
