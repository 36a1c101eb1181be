"""Reading an image, and how many may be unreadable."""

import os

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from distill.errors import UserError

# what Pillow raises for a file that is not an image, a torn one and an absurdly large one
UNREADABLE = (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError)
AT_MOST_UNREADABLE = 0.01


def read_image(path: str | os.PathLike) -> Image.Image:
    """The whole image as RGB, or one of ``UNREADABLE``."""
    with Image.open(path) as image:
        return image.convert("RGB")


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """A picture as (H, W, 3) uint8, RGB, turned upright by its EXIF tag; UserError names a broken file."""
    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except FileNotFoundError as error:
        raise UserError(f"no such picture: {path}") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three for torn files
        raise UserError(f"{path}: not a whole picture ({error})") from error


def too_many_unreadable(paths: list[str], of: int) -> UserError | None:
    """The error that ends a run once more than 1 % of its images could not be read."""
    if len(paths) <= AT_MOST_UNREADABLE * of:
        return None
    shown = ", ".join(sorted(paths)[:3]) + (", ..." if len(paths) > 3 else "")
    return UserError(f"{len(paths)} of {of} images could not be read, more than 1 %: {shown}")
