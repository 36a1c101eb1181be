"""One way to read a picture, whatever its file holds."""

import warnings

import numpy as np
import pytest
from PIL import Image

from distill.data.images import UnreadableImage, read_image, read_rgb
from distill.errors import UserError

RAMP = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
COLOURS = np.stack([RAMP, RAMP.T, 252 - RAMP], axis=-1)


def saved(path, image: Image.Image, **options):
    image.save(path, **options)
    return path


def test_a_picture_lies_as_its_exif_tag_says(tmp_path):
    """Orientation 6: the camera was held upright, and the file's first row is the right edge."""
    wide = np.zeros((20, 40, 3), dtype=np.uint8)
    wide[:10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "photo.png", Image.fromarray(wide), exif=exif)
    assert read_image(path).size == (20, 40)
    upright = read_rgb(path)
    assert (upright[:, 10:] == 255).all() and (upright[:, :10] == 0).all()


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_sixteen_bits_of_grey_become_eight(suffix, tmp_path):
    path = saved(tmp_path / f"grey.{suffix}", Image.fromarray(RAMP.astype(np.uint16) * 257))
    assert (read_rgb(path) == RAMP[..., None]).all()


def test_grey_palette_and_alpha_keep_their_colours(tmp_path):
    opaque = Image.fromarray(COLOURS)
    clear = opaque.copy()
    clear.putalpha(Image.fromarray(RAMP))
    palette = opaque.quantize(64)
    files = {
        "grey.png": (Image.fromarray(RAMP), np.repeat(RAMP[..., None], 3, axis=2)),
        "two.png": (Image.fromarray(RAMP > 100), np.repeat(255 * (RAMP > 100)[..., None], 3, axis=2)),
        "rgb.png": (opaque, COLOURS),
        "alpha.png": (clear, COLOURS),
        "palette.png": (palette, np.asarray(palette.convert("RGB"))),
    }
    for name, (image, expected) in files.items():
        assert (read_rgb(saved(tmp_path / name, image)) == expected).all(), name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = saved(tmp_path / "clear.png", palette, transparency=bytes(range(64)))
        assert (read_rgb(path) == np.asarray(palette.convert("RGB"))).all()


def test_inks_become_colours(tmp_path):
    path = saved(tmp_path / "inks.tiff", Image.new("CMYK", (4, 4), (0, 255, 255, 0)))
    assert (read_rgb(path) == (255, 0, 0)).all()


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_without_a_known_white_are_refused_by_name(kind, tmp_path):
    path = saved(tmp_path / "depth.tiff", Image.fromarray(RAMP.astype(kind)))
    with pytest.raises(UnreadableImage, match="depth.tiff: .*32 bits.*8 or 16 bits"):
        read_image(path)


def test_a_broken_file_is_one_kind_of_error_that_names_it(tmp_path):
    whole = saved(tmp_path / "whole.jpg", Image.fromarray(COLOURS).resize((64, 64))).read_bytes()
    for number, content in enumerate((b"", b"not an image", whole[:300], whole[: len(whole) // 2])):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(content)
        with pytest.raises(UnreadableImage, match=f"{number}.jpg: not a whole picture"):
            read_image(path)
    with pytest.raises(UserError, match="no such picture: .*nowhere.jpg"):
        read_rgb(tmp_path / "nowhere.jpg")
