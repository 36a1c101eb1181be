"""Reading pictures in one way for every framework."""

import os

import numpy as np
from PIL import Image, ImageOps

from distill.errors import UserError


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """A picture as (H, W, 3) uint8, RGB, turned upright by its EXIF tag; UserError names a broken file."""
    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except FileNotFoundError as error:
        raise UserError(f"no such picture: {path}") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three for torn files
        raise UserError(f"{path}: not a whole picture ({error})") from error
