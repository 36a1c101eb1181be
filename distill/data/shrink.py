"""A smaller copy of an image's file."""

import io

from PIL import Image

from distill.data.images import decode_image, formats

QUALITY = 90  # of JPEG and WebP
LOSSLESS = ("PNG", "BMP", "PPM", "TIFF")


def shrink(content: bytes, name: str, max_side: int) -> bytes:
    """An image whose longer side is at most ``max_side`` pixels, as a file; a smaller one stays as it is.

    It is upright 8-bit RGB, in the format that it had if that is PNG, BMP, PPM, TIFF or WebP, else JPEG.

    Raises:
        UnreadableImage: not a whole picture.
    """
    image = decode_image(content, name)
    if max(image.size) <= max_side:
        return content
    size = [max(1, round(side * max_side / max(image.size))) for side in image.size]
    kind = Image.open(io.BytesIO(content), formats=formats()).format
    file = io.BytesIO()
    smaller = image.resize(size, Image.Resampling.LANCZOS)
    if kind in LOSSLESS:
        smaller.save(file, kind)
    else:
        smaller.save(file, "WEBP" if kind == "WEBP" else "JPEG", quality=QUALITY)
    return file.getvalue()
