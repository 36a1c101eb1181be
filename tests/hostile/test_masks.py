"""Defects of masks."""

import os
import re
from pathlib import Path

import pytest

from distill.errors import UserError
from tests.hostile.annotations import HEIGHT, MANY, WIDTH, find, refused, torn, write_mask, write_picture
from transfer.datasets.segmentation import find_segmentation, read_classes

MASK_FILES = {  # name: (what is done to a mask, words, whether they are in its first bytes)
    "missing": (Path.unlink, "1 without a mask, left out", True),
    "empty": (lambda path: path.write_bytes(b""), "1 with a mask that cannot be read, left out", True),
    "text": (lambda path: path.write_text("mask"), "1 with a mask that cannot be read, left out", True),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "1 without a mask, left out", True),
    "colours": (lambda path: write_mask(path, mode="RGB"), "a mask has one channel of class numbers", True),
    "another size": (
        lambda path: write_mask(path, size=(9, 9)),
        "1 with a mask of another size, left out (img/train/{}.jpg: 9 x 9, not 24 x 16)",
        True,
    ),
    "torn": (torn, "1 with a mask that cannot be read, left out", False),
    "another class": (lambda path: write_mask(path, 9), "holds class number 9, but only 2 classes", False),
    "16 bits": (
        lambda path: write_mask(path, 999, mode="I;16"),
        "numbers go to 255, this one holds 999",
        False,
    ),
}


@pytest.mark.parametrize("number", [7, 110])
@pytest.mark.parametrize("name", MASK_FILES)
def test_a_defect_of_a_mask(name, number, masks):
    """Its pixels are looked at in the first hundred; in the others they are when it is trained on."""
    make, words, at_once = MASK_FILES[name]
    file = masks / f"ann/train/{number}.png"
    make(file)
    classes = ("ground", "cat")
    data = find("voc_masks", masks, classes=classes)
    if at_once or number < 100:
        assert f"{masks}: train: 1 of {MANY} pictures: 1 " in data.defects[0]
        assert words.format(number) in data.defects[0] and str(number) in data.defects[0]
        pairs = find_segmentation(masks, "voc_masks", classes, data.left_out).pairs("train")
        assert len(pairs) == data.train_images == MANY - 1
        assert all(read_classes(mask, None, 2).shape == (HEIGHT, WIDTH) for _, mask in pairs)
        assert "--strict allows none" in refused("voc_masks", masks, strict=True, classes=classes)
    else:
        with pytest.raises(UserError, match=re.escape(str(file))):
            read_classes(file, None, 2)


def test_masks_that_are_tested_on_are_all_looked_at(masks):
    torn(masks / "ann/val/test.png")
    line = refused("voc_masks", masks, classes=("ground", "cat"))
    assert f"{masks}: val: 1 of 1 pictures have defects, more than 1 %: 1 with a mask that cannot be" in line
    write_mask(masks / "ann/val/test.png", 5)
    assert "holds class number 5, but only 2 classes are named" in refused("voc_masks", masks)


INSTANCES = {  # what is done to a mask of Cityscapes' objects, words of the line
    "torn": (torn, "no whole mask (image file is truncated)"),
    "empty": (lambda path: path.write_bytes(b""), "no whole mask ("),
    "colours": (lambda path: write_mask(path, mode="RGB"), "a mask has one channel of class numbers"),
    "missing": (Path.unlink, "is missing"),
    "another size": (lambda path: write_mask(path, 24, size=(9, 9)), "1 of another size than declared ("),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_a_mask_of_cityscapes_objects(name, tmp_path):
    make, words = INSTANCES[name]
    for split in ("train", "val"):
        write_picture(tmp_path / f"leftImg8bit/{split}/bonn/bonn_{split}_leftImg8bit.png")
        mask = tmp_path / f"gtFine/{split}/bonn/bonn_{split}_gtFine_instanceIds.png"
        write_mask(mask, 26_001, mode="I;16")
    assert not find("cityscapes_instances", tmp_path, strict=True).defects
    make(mask)
    line = refused("cityscapes_instances", tmp_path)
    assert words in line and "bonn_val" in line
