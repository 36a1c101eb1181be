"""Small data with annotations: 120 pictures to train on, one to test on. What reading it refuses."""

import time
from pathlib import Path

import pytest
from PIL import Image

from distill.errors import UserError
from transfer.datasets.find import find_data

WIDTH, HEIGHT = 24, 16
MANY = 120  # one of them is less than 1 %


def find(layout, root, strict=False, classes=None):
    return find_data(layout, str(root), classes, None, root / "out", strict)


def refused(layout, root, **options) -> str:
    """The one line of the error, within five seconds."""
    began = time.monotonic()
    with pytest.raises(UserError) as error:
        find(layout, root, **options)
    assert "\n" not in str(error.value) and time.monotonic() - began < 5
    return str(error.value)


def write_picture(path: Path, size=(WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def write_mask(path: Path, values=1, size=(WIDTH, HEIGHT), mode="L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, values).save(path)


def torn(path: Path) -> None:
    Image.effect_noise((WIDTH, HEIGHT), 9).save(path)
    path.write_bytes(path.read_bytes()[:-40])


GOOD = "<xmin>3</xmin><ymin>4</ymin><xmax>10</xmax><ymax>7</ymax>"
SIZE = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"


def xml(*boxes, size=SIZE) -> str:
    objects = (f"<object><name>cat</name><bndbox>{one}</bndbox></object>" for one in boxes)
    return f"<annotation>{size}{''.join(objects)}</annotation>"


def edges(left, top, right, bottom) -> str:
    return xml(f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>", GOOD)
