"""Reading an image, and how many may be unreadable."""

import errno
import io
import os
import stat
from functools import cache
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from distill.errors import UserError

AT_MOST_UNREADABLE = 0.01
# Pillow reads more formats, and one of them, EPS, by starting another program.
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "WEBP", "TIFF", "GIF", "JPEG2000", "AVIF")
LONGEST = 1000  # times the shorter side: more, scaled to a shorter side of 256, would not fit into memory
ORIENTATION = 0x0112  # EXIF's tag; ImageOps.exif_transpose also writes the tags anew, and fails on odd ones
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # those that exchange width and height
FROM_16_BITS = np.rint(np.arange(1 << 16) / 257).astype(np.uint8)


class UnreadableImage(UserError):
    """A file that is missing or broken, or whose pixels cannot be scaled to 8 bits; the message names it."""


def read_image(path: str | os.PathLike) -> Image.Image:
    """The picture in a file as 8-bit RGB; ``decode_image`` says more.

    Raises:
        UnreadableImage: no such file, or what ``decode_image`` raises.
    """
    try:
        content = read_content(path)
    except OSError as error:
        raise missing(path, error) from error
    return decode_image(content, path)


def read_content(path: str | os.PathLike) -> bytes:
    """The bytes of a file; raises OSError, also for a pipe or a device, which might never end."""
    with _open_file(path) as file:
        return file.read()


def read_size(path: str | os.PathLike) -> tuple[int, int]:
    """Width and height of the picture that ``read_image`` gives, by its first bytes.

    A PNG's EXIF tag may come after its pixels, and is then not looked for.

    Raises:
        UnreadableImage: no such file, or no picture by its first bytes.
    """
    try:
        with _open_file(path) as file, Image.open(file, formats=formats()) as image:
            known = image.format == "TIFF" or "exif" in image.info
            turn = image.getexif().get(ORIENTATION) if known else None
            return image.size[::-1] if turn in SIDEWAYS else image.size
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"{path}: not a whole picture (cannot identify image file)") from error
    except OSError as error:
        raise missing(path, error) from error
    except Exception as error:  # as in decode_image
        raise UnreadableImage(f"{path}: not a whole picture ({error})") from error


def _open_file(path: str | os.PathLike) -> BinaryIO:
    file = open(path, "rb", opener=_open_at_once)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "no regular file", os.fspath(path))


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def missing(path: str | os.PathLike, error: OSError) -> UnreadableImage:
    """What to raise for a file that is not there, or cannot be read."""
    if isinstance(error, FileNotFoundError):
        return UnreadableImage(f"no such picture: {path}")
    return UnreadableImage(f"{path}: not a whole picture ({error.strerror})")


def decode_image(content: bytes, name: str | os.PathLike, least: int = 0) -> Image.Image:
    """A picture as 8-bit RGB, upright by its EXIF tag; training, evaluation and transfer use this function.

    16-bit grey is scaled to 8 bits. An alpha channel is left out and the colours below it stay, as in
    torchvision and OpenCV.

    Args:
        content: the bytes of its file.
        name: what to call it in a message.
        least: pixels of a side that are enough; a JPEG is then decoded to an eighth, a quarter or half of its
            size where both sides keep as many, which is much faster. 0: as it is.

    Raises:
        UnreadableImage: not a whole picture, one of more than ``LONGEST`` to 1, of more than twice Pillow's
            ``MAX_IMAGE_PIXELS`` (179 million in all), or with pixels of 32 bits, whose white is unknown.
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats()) as image:
            if max(image.size) > LONGEST * min(image.size):
                raise ValueError(f"{image.width} x {image.height} pixels, more than {LONGEST} to 1")
            if least:
                image.draft(None, (least, least))
            image.load()
            turn = TURNS.get(image.getexif().get(ORIENTATION))
            return _to_rgb(image if turn is None else image.transpose(turn), image.format)
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"{name}: not a whole picture (cannot identify image file)") from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders and its EXIF reader raise any kind for a damaged file
        raise UnreadableImage(f"{name}: not a whole picture ({error})") from error


@cache
def formats() -> tuple[str, ...]:
    """Those of ``FORMATS`` that this build of Pillow reads; ``JPEG`` reads a camera's MPO as well."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """``read_image`` as (H, W, 3) uint8."""
    return np.array(read_image(path))


def _to_rgb(image: Image.Image, kind: str) -> Image.Image:
    if image.mode == "F" or (image.mode == "I" and kind not in ("PNG", "PPM")):
        raise ValueError(f"pixels of 32 bits, Pillow's mode {image.mode}: save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        image = Image.fromarray(FROM_16_BITS[np.asarray(image)])
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # without this step Pillow warns
    return image.convert("RGB")


def too_many_unreadable(paths: list[str], of: int) -> UserError | None:
    """The error that ends a run once more than 1 % of its images could not be read."""
    if len(paths) <= AT_MOST_UNREADABLE * of:
        return None
    shown = ", ".join(sorted(paths)[:3]) + (", ..." if len(paths) > 3 else "")
    return UserError(f"{len(paths)} of {of} images could not be read, more than 1 %: {shown}")
