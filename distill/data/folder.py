"""Images in a folder, however nested."""

import os
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from distill.errors import UserError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
# what Pillow raises for a file that is not an image, a torn one and an absurdly large one
UNREADABLE = (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError)
AT_MOST_UNREADABLE = 0.01


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


def read_image(path: str | os.PathLike) -> Image.Image:
    """The whole image as RGB, or one of ``UNREADABLE``."""
    with Image.open(path) as image:
        return image.convert("RGB")


def too_many_unreadable(paths: list[str], of: int) -> UserError | None:
    """The error that ends a run once more than 1 % of its images could not be read."""
    if len(paths) <= AT_MOST_UNREADABLE * of:
        return None
    shown = ", ".join(sorted(paths)[:3]) + (", ..." if len(paths) > 3 else "")
    return UserError(f"{len(paths)} of {of} images could not be read, more than 1 %: {shown}")
