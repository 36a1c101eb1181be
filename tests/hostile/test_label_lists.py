"""Lists of labelled data sets that are not as published: read, or refused in one line."""

import os
import re

import pytest

from distill.data import sets
from distill.data.label_lists import given_list
from distill.data.labelled import list_labelled
from distill.errors import UserError
from tests.distill.data.sets.archives import WRITERS, save

PICTURES = {".jpg", ".jpeg", ".JPEG", ".png"}
CONTENTS = {  # what a list becomes
    "nothing": lambda good: b"",
    "a zero": lambda good: b"\0",
    "binary": lambda good: b"\xff\xfe\0garbage",
    "one word": lambda good: b"a\n",
    "three numbers": lambda good: b"1 2 3\n",
    "half": lambda good: good[: len(good) // 2],
    "all but the end": lambda good: good[:-1],
    "twice": lambda good: good + good,
    "XML": lambda good: b"<annotation><object/></annotation>",
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", WRITERS)
def test_a_list_that_is_not_as_published(name, content, tmp_path):
    WRITERS[name](tmp_path)
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.suffix not in PICTURES:
            good = file.read_bytes()
            file.write_bytes(CONTENTS[content](good))
            try:
                train, val = sets.load(name, tmp_path)
            except UserError as error:
                assert "\n" not in str(error) and str(tmp_path) in str(error)
            else:
                assert len(train) and len(val)
            file.write_bytes(good)


GOOD = "<annotation><object><name>cat</name></object></annotation>"
VOC = {  # the annotation of a picture, words of the line
    "torn": ("<annotation><object>", "its lists are not as published (no element found"),
    "without a name": ("<annotation><object/></annotation>", "its lists are not as published ("),
    "an entity that is not there": (
        "<annotation>&a;</annotation>",
        "its lists are not as published (undefined",
    ),
}


@pytest.mark.parametrize("name", VOC)
def test_an_annotation_of_voc_classification(name, tmp_path):
    text, words = VOC[name]
    for part in ("trainval", "test"):
        save(tmp_path / f"VOC2007/JPEGImages/{part}.jpg", 0)
        for file, content in ((f"ImageSets/Main/{part}.txt", part), (f"Annotations/{part}.xml", GOOD)):
            (tmp_path / "VOC2007" / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "VOC2007" / file).write_text(content)
    sets.load("voc07", tmp_path)
    (tmp_path / "VOC2007/Annotations/test.xml").write_text(text)
    with pytest.raises(UserError, match=re.escape(words)):
        sets.load("voc07", tmp_path)


LISTS = {  # name: (what makes the file, words of the line)
    "a folder": (lambda path: path.mkdir(), "no such list of labels: "),
    "a pipe": (os.mkfifo, "no such list of labels: "),
    "nothing": (lambda path: path.write_bytes(b""), "names no picture"),
    "binary": (lambda path: path.write_bytes(b"\xff\xfe\0a"), "1 of its 1 lines name no picture"),
    "one twice": (lambda path: path.write_text("a/1.png\n1.png\n"), "names 1 pictures twice"),
    "one that is not there": (lambda path: path.write_text("a/1.png\na/9.png\n"), "the first is 'a/9.png'"),
    "one of another folder": (lambda path: path.write_text("../a/1.png\n"), "the first is '../a/1.png'"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_few_labels(name, tmp_path):
    make, words = LISTS[name]
    save(tmp_path / "images/a/1.png", 0)
    make(tmp_path / "list.txt")
    with pytest.raises(UserError) as error:
        given_list(tmp_path / "list.txt", list_labelled(tmp_path / "images"))
    assert words in str(error.value) and str(tmp_path / "list.txt") in str(error.value)
