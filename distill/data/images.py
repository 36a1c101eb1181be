"""Reading an image, and how many may be unreadable."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from distill.errors import UserError

AT_MOST_UNREADABLE = 0.01
# what Pillow raises for a file that is not an image, a torn one and an absurdly large one
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class UnreadableImage(UserError):
    """A file that is missing or broken, or whose pixels cannot be scaled to 8 bits; the message names it."""


def read_image(path: str | os.PathLike) -> Image.Image:
    """The picture in a file as 8-bit RGB; ``decode_image`` says more.

    Raises:
        UnreadableImage: no such file, or what ``decode_image`` raises.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise missing(path, error) from error
    return decode_image(content, path)


def missing(path: str | os.PathLike, error: OSError) -> UnreadableImage:
    """What to raise for a file that is not there, or cannot be read."""
    if isinstance(error, FileNotFoundError):
        return UnreadableImage(f"no such picture: {path}")
    return UnreadableImage(f"{path}: not a whole picture ({error.strerror})")


def decode_image(content: bytes, name: str | os.PathLike) -> Image.Image:
    """A picture as 8-bit RGB, upright by its EXIF tag; training, evaluation and transfer use this function.

    16-bit grey is scaled to 8 bits. An alpha channel is left out and the colours below it stay, as in
    torchvision and OpenCV.

    Args:
        content: the bytes of its file.
        name: what to call it in a message.

    Raises:
        UnreadableImage: not a whole picture, or pixels of 32 bits, whose white is unknown.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"{name}: not a whole picture (cannot identify image file)") from error
    except UNREADABLE as error:
        raise UnreadableImage(f"{name}: not a whole picture ({error})") from error


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """``read_image`` as (H, W, 3) uint8."""
    return np.array(read_image(path))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise ValueError(f"pixels of 32 bits, Pillow's mode {image.mode}: save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # without this step Pillow warns
    return image.convert("RGB")


def too_many_unreadable(paths: list[str], of: int) -> UserError | None:
    """The error that ends a run once more than 1 % of its images could not be read."""
    if len(paths) <= AT_MOST_UNREADABLE * of:
        return None
    shown = ", ".join(sorted(paths)[:3]) + (", ..." if len(paths) > 3 else "")
    return UserError(f"{len(paths)} of {of} images could not be read, more than 1 %: {shown}")
