"""Copies among pictures: the same file and those saved anew are found, other pictures are not."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from distill.data.copies import ENOUGH, Copy, find_copies, marks_of, thumbnail
from distill.data.image_files import open_images
from distill.data.images import decode_image

SIZE = (120, 90)


def smooth(seed: int) -> Image.Image:
    """A picture with structure, as photographs have it."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(SIZE, Image.Resampling.BICUBIC)


@pytest.fixture
def theirs(tmp_path) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    for seed in range(40):
        smooth(seed).save(folder / f"{seed}.png")
    Image.new("RGB", SIZE, (200, 10, 10)).save(folder / "flat.png")
    (folder / "torn.png").write_bytes((folder / "0.png").read_bytes()[:200])
    return folder


def copies(ours: Path, theirs: Path) -> list[Copy]:
    first, second = open_images(ours), open_images(theirs)
    return find_copies(first, marks_of(first), second, marks_of(second))


CHANGES = {
    "jpg of quality 30": lambda image, path: image.save(path.with_suffix(".jpg"), quality=30),
    "half the size": lambda image, path: image.resize((60, 45)).save(path),
    "twice the size": lambda image, path: image.resize((240, 180)).save(path),
    "mirrored": lambda image, path: ImageOps.mirror(image).save(path),
    "grey": lambda image, path: image.convert("L").save(path),
    "brighter": lambda image, path: ImageEnhance.Brightness(image).enhance(1.05).save(path),
    "less contrast": lambda image, path: ImageEnhance.Contrast(image).enhance(0.7).save(path),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_saved_anew_is_found(change, theirs, tmp_path):
    ours = tmp_path / "ours"
    ours.mkdir()
    CHANGES[change](smooth(7), ours / "mine.png")
    (found,) = copies(ours, theirs)
    assert found.ours.startswith(str(ours / "mine.")) and found.theirs == str(theirs / "7.png")
    assert not found.same_file and 0.98 <= found.cosine <= 1.0001
    assert f"is a near copy ({found.cosine:.3f}) of {theirs}/7.png" in str(found)


def test_a_large_photo_is_looked_at_smaller_and_looks_the_same(tmp_path):
    """JPEG alone can be decoded smaller; the thumbnail is that of all pixels."""
    large = smooth(3).resize((2400, 1800), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", quality=92)
    content = (tmp_path / "large.jpg").read_bytes()
    looked_at = decode_image(content, "large.jpg", ENOUGH)
    assert min(looked_at.size) >= ENOUGH and looked_at.width < large.width
    assert thumbnail(looked_at) @ thumbnail(decode_image(content, "large.jpg")) > 0.999


def test_the_same_file_is_told_as_such_whatever_it_holds(theirs, tmp_path):
    ours = tmp_path / "ours"
    ours.mkdir()
    for name in ("3.png", "flat.png", "torn.png"):
        shutil.copy(theirs / name, ours / f"other-{name}")
    found = copies(ours, theirs)
    assert [(Path(each.ours).name, Path(each.theirs).name, each.same_file) for each in found] == [
        ("other-3.png", "3.png", True),
        ("other-flat.png", "flat.png", True),
        ("other-torn.png", "torn.png", True),
    ]


def test_other_pictures_are_no_copies(theirs, tmp_path):
    """Also one of another plain colour, and another torn one."""
    ours = tmp_path / "ours"
    ours.mkdir()
    for seed in range(100, 140):
        smooth(seed).save(ours / f"{seed}.png")
    Image.new("RGB", SIZE, (10, 10, 200)).save(ours / "flat.png")
    (ours / "torn.png").write_bytes((ours / "100.png").read_bytes()[:150])
    assert copies(ours, theirs) == []


def test_thumbnail():
    """Mean 0 and length 1, whatever the brightness; nothing for a flat picture."""
    values = thumbnail(smooth(1))
    assert values.shape == (256,) and abs(values.sum()) < 1e-4
    assert np.linalg.norm(values) == pytest.approx(1)
    darker = smooth(1).point(lambda value: value // 2)
    assert float(values @ thumbnail(darker)) > 0.999
    assert not thumbnail(Image.new("RGB", SIZE, (3, 3, 3))).any()
