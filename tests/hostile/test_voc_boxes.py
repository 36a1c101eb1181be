"""Defects of VOC's boxes, and what is printed of them."""

import os

import pytest

from distill.errors import UserError
from tests.hostile.annotations import (
    GOOD,
    HEIGHT,
    MANY,
    SIZE,
    WIDTH,
    edges,
    find,
    refused,
    xml,
)
from transfer import run
from transfer.datasets.boxes import find_boxes

VOC_BOXES = {  # name: (the annotation of one picture of 120, which has two boxes, words)
    "NaN": (edges("nan", 4, 10, 7), "1 with a box that is not finite, left out"),
    "infinite": (edges(3, 4, "1e999", 7), "1 with a box that is not finite, left out"),
    "inverted": (edges(10, 4, 3, 7), "1 with a box of negative width or height, left out"),
    "empty": (edges(3, 4, 2, 7), "1 with a box without width or height, left out"),
    "outside": (edges(90, 4, 99, 7), "1 with a box outside the picture, left out"),
    "reaching out": (edges(3, 4, 99, 7), "1 with a box that reaches out of the picture, clipped"),
    "negative": (edges(-8, -8, 10, 7), "1 with a box that reaches out of the picture, clipped"),
}


@pytest.mark.parametrize("name", VOC_BOXES)
def test_a_defect_of_vocs_boxes(name, voc):
    text, words = VOC_BOXES[name]
    (voc / "Annotations/7.xml").write_text(text)
    data = find("voc_boxes", voc)
    assert f"trainval.txt: 1 of 121 boxes: {words} (7.xml, object 1)" in data.defects[0]
    assert data.train_images == MANY
    for item in find_boxes(voc).images("trainval")[7].objects:
        assert 1 <= item.box[0] <= item.box[2] <= WIDTH and 1 <= item.box[1] <= item.box[3] <= HEIGHT
    assert "--strict allows none" in refused("voc_boxes", voc, strict=True)


BOMB = (
    '<!DOCTYPE a [<!ENTITY a0 "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    + "]><annotation>&a9;</annotation>"
)
VOC_PICTURES = {  # name: (what is done to one picture of 120, words)
    "no annotation": (lambda root: (root / "Annotations/7.xml").unlink(), "no such file: "),
    "no picture": (lambda root: (root / "JPEGImages/7.jpg").unlink(), "1 not there, left out (7)"),
    "torn": (
        lambda root: (root / "Annotations/7.xml").write_text("<annotation><obj"),
        "not a VOC annotation",
    ),
    "empty": (lambda root: (root / "Annotations/7.xml").write_text(""), "not a VOC annotation"),
    "an entity bomb": (lambda root: (root / "Annotations/7.xml").write_text(BOMB), "not a VOC annotation"),
    "another file's text": (
        lambda root: (root / "Annotations/7.xml").write_text(
            '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>'
        ),
        "not a VOC annotation",
    ),
    "deep": (lambda root: (root / "Annotations/7.xml").write_text("<a>" * 100_000), "not a VOC annotation"),
    "a pipe": (
        lambda root: ((root / "Annotations/7.xml").unlink(), os.mkfifo(root / "Annotations/7.xml")),
        "no such file: ",
    ),
    "no size": (
        lambda root: (root / "Annotations/7.xml").write_text(xml(GOOD, size="")),
        "not a VOC annotation",
    ),
    "a box of words": (
        lambda root: (root / "Annotations/7.xml").write_text(edges("a", 4, 10, 7)),
        "not a VOC annotation",
    ),
    "another size": (
        lambda root: (root / "Annotations/7.xml").write_text(xml(GOOD, size=SIZE.replace("24", "99"))),
        "1 of another size than declared, left out (7: 24 x 16, not 99 x 16)",
    ),
    "an empty picture": (
        lambda root: ((root / "JPEGImages/7.jpg").unlink(), (root / "JPEGImages/7.jpg").touch()),
        "1 unreadable, left out (7)",
    ),
    "tested on": (
        lambda root: (root / "ImageSets/Main/test.txt").write_text("test\n7\n"),
        "1 that are tested on, left out (7)",
    ),
}


@pytest.mark.parametrize("name", VOC_PICTURES)
def test_a_defect_of_vocs_pictures(name, voc):
    make, words = VOC_PICTURES[name]
    make(voc)
    data = find("voc_boxes", voc)
    assert f"trainval.txt: 1 of {MANY} pictures: " in data.defects[0] and words in data.defects[0]
    assert data.left_out == {"trainval": ["7"]} and data.train_images == MANY - 1
    assert words.split(", ")[0] in refused("voc_boxes", voc, strict=True)


def test_a_name_that_is_listed_twice_is_taken_once(voc):
    names = (voc / "ImageSets/Main/trainval.txt").read_text()
    (voc / "ImageSets/Main/trainval.txt").write_text(f"{names}\n7\n")
    data = find("voc_boxes", voc)
    assert f"1 of {MANY + 1} pictures: 1 listed twice, left out once (7)" in data.defects[0]
    assert data.train_images == MANY and not data.left_out


def test_what_voc_holds_is_no_defect(voc):
    """A box of one pixel, the whole picture, counted from 0, half a pixel out."""
    for number, box_ in enumerate(
        [(5, 5, 5, 5), (1, 1, WIDTH, HEIGHT), (0, 0, 5, 5), (1, 1, WIDTH + 0.5, 5)]
    ):
        (voc / f"Annotations/{number}.xml").write_text(edges(*box_))
    data = find("voc_boxes", voc, strict=True)
    assert not data.defects and not data.left_out
    assert sum(len(image.objects) for image in find_boxes(voc).images("trainval")) == MANY + 4


def test_a_split_list_that_is_no_text(voc):
    (voc / "ImageSets/Main/trainval.txt").write_bytes(b"\xff\xfe\0")
    assert "trainval.txt: no text" in refused("voc_boxes", voc)


def test_the_plan_tells_defects_and_strict_ends_there(voc, tmp_path, capsys, monkeypatch):
    pytest.importorskip("detectron2", reason="Detectron2 is not installed")
    (voc / "Annotations/7.xml").write_text(VOC_BOXES["inverted"][0])
    arguments = ("voc07_det", "resnet10t", "--init", "random", "--gpus", "0", "--dry-run")
    where = ("--data-root", str(voc), "--work-dir", str(tmp_path / "runs"))
    run.main([*arguments, *where])
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("defects: ")]
    assert told == [
        f"defects: voc07_det: {voc}/ImageSets/Main/trainval.txt: 1 of 121 boxes: "
        "1 with a box of negative width or height, left out (7.xml, object 1)"
    ]
    with pytest.raises(UserError, match="1 of 121 boxes have defects, and --strict allows none"):
        run.main([*arguments, *where, "--strict"])
