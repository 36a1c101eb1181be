"""Annotations with defects: counted, named and left out while they are few; many are an error in one line."""

import copy
import json
import math
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from distill.errors import UserError
from transfer import run
from transfer.benchmark import find_benchmark
from transfer.datasets.boxes import find_boxes
from transfer.datasets.coco_files import read
from transfer.datasets.find import find_data
from transfer.datasets.segmentation import find_segmentation, read_classes
from transfer.matrix.plan import make_plan

WIDTH, HEIGHT = 24, 16
MANY = 120  # one of them is less than 1 %
INF, NAN = math.inf, math.nan


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


# --- COCO's format -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def coco(tmp_path_factory):
    """120 pictures to train on with a box each, and one to test on; the content of the annotation files."""
    root = tmp_path_factory.mktemp("coco")
    content = {}
    for split, names in (("train", range(MANY)), ("val", ["test"])):
        content[split] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}
        for number, name in enumerate(names):
            write_picture(root / f"{split}2017/{name}.jpg")
            content[split]["images"].append(
                {"id": number, "file_name": f"{name}.jpg", "width": WIDTH, "height": HEIGHT}
            )
            content[split]["annotations"].append(
                {
                    "id": 100 + number, "image_id": number, "category_id": 1, "iscrowd": 0, "area": 32.0,
                    "bbox": [2, 3, 8, 4], "segmentation": [[2, 3, 10, 3, 10, 7, 2, 7]],
                }
            )  # fmt: skip
    return root, content


@pytest.fixture
def write_coco(coco, tmp_path):
    """Writes the annotation files, changed by a function, beside links to the pictures."""
    pictures, content = coco

    def write(change=lambda train: None) -> Path:
        (tmp_path / "annotations").mkdir(exist_ok=True)
        for split in ("train", "val"):
            if not (tmp_path / f"{split}2017").exists():
                (tmp_path / f"{split}2017").symlink_to(pictures / f"{split}2017")
            mine = copy.deepcopy(content[split])
            if split == "train":
                change(mine)
            (tmp_path / f"annotations/instances_{split}2017.json").write_text(json.dumps(mine))
        return tmp_path

    return write


def box(*values):
    return lambda train: train["annotations"][7].update(bbox=list(values))


def annotation(**values):
    return lambda train: train["annotations"][7].update(values)


def picture(**values):
    return lambda train: train["images"][7].update(values)


def without(part, key):
    return lambda train: train[part][7].pop(key)


def runs(size, counts):
    return annotation(segmentation={"size": size, "counts": counts})


BOXES = {  # name: (what is done to one annotation of 120, words, what is done with it)
    "NaN": (box(NAN, 3, 8, 4), "1 with a box that is not finite", "left out"),
    "infinite": (box(2, 3, INF, 4), "1 with a box that is not finite", "left out"),
    "minus infinity": (box(2, -INF, INF, 4), "1 with a box that is not finite", "left out"),
    "empty": (box(2, 3, 0, 0), "1 with a box without width or height", "left out"),
    "inverted": (box(8, 3, -6, 4), "1 with a box of negative width or height", "left out"),
    "outside": (box(90, 3, 8, 4), "1 with a box outside the picture", "left out"),
    "left of the picture": (box(-90, 3, 8, 4), "1 with a box outside the picture", "left out"),
    "out to the right": (box(20, 3, 8, 4), "1 with a box that reaches out of the picture", "clipped"),
    "out to the left": (box(-4, 3, 8, 4), "1 with a box that reaches out of the picture", "clipped"),
    "words": (box("2", "3", "8", "4"), "1 without all that is needed", "left out"),
    "three numbers": (box(2, 3, 8), "1 without all that is needed", "left out"),
    "no box": (without("annotations", "bbox"), "1 without all that is needed", "left out"),
    "a number of 400 digits": (box(2, 3, 10**400, 4), "1 with a box that is not finite", "left out"),
    "a category that is not there": (
        annotation(category_id=7),
        "1 of a category that is not listed",
        "left out",
    ),
    "a category in words": (annotation(category_id=[1]), "1 without all that is needed", "left out"),
    "a picture that is not there": (
        annotation(image_id=999),
        "1 of a picture that is not listed",
        "left out",
    ),
    "the id of another": (annotation(id=100), "1 with the id of another", "left out"),
    "a crowd of two": (annotation(iscrowd=2), "1 whose iscrowd is neither 0 nor 1", "left out"),
}
MASKS = {
    "no id": (without("annotations", "id"), "1 without all that is needed", "left out"),
    "no area": (without("annotations", "area"), "1 without all that is needed", "left out"),
    "two points": (
        annotation(segmentation=[[2, 3, 4, 5]]),
        "1 without a polygon of three points",
        "left out",
    ),
    "an odd number": (
        annotation(segmentation=[[2, 3, 4, 5, 6, 7, 8]]),
        "1 without a polygon of three points",
        "left out",
    ),
    "a polygon of NaN": (
        annotation(segmentation=[[2, 3, 4, 5, NAN, 7]]),
        "1 without a polygon of three points",
        "left out",
    ),
    "a mask in words": (annotation(segmentation="mask"), "1 without a polygon of three points", "left out"),
    "one good polygon": (
        annotation(segmentation=[[1, 2], [2, 3, 10, 3, 10, 7]]),
        "1 with a polygon of fewer than three points",
        "which is left out",
    ),
    "run lengths of another size": (
        runs([WIDTH, HEIGHT], [384]),
        "1 with run lengths of another size than the picture",
        "left out",
    ),
    "run lengths that are too few": (
        runs([HEIGHT, WIDTH], [9, 9]),
        "1 with run lengths of another size than the picture",
        "left out",
    ),
    "negative run lengths": (
        runs([HEIGHT, WIDTH], [400, -16]),
        "1 with run lengths of another size than the picture",
        "left out",
    ),
    "compressed runs that are none": (
        runs([HEIGHT, WIDTH], "ab~"),
        "1 with run lengths of another size than the picture",
        "left out",
    ),
    "a box without height": (
        box(2, 3, 8, 0),
        "1 with a box without width or height",
        "kept: no framework trains on it",
    ),
}
PICTURES = {
    "missing": (picture(file_name="none.jpg"), "1 not there, left out (none.jpg)"),
    "a name of another kind": (picture(file_name=3), "1 without all that is needed"),
    "a name that no file has": (picture(file_name="\0\ud800"), "1 not there"),
    "no height": (without("images", "height"), "1 without all that is needed"),
    "a height of 0": (picture(height=0), "1 without all that is needed"),
    "another size": (
        picture(width=99),
        f"1 of another size than declared, left out (7.jpg: {WIDTH} x {HEIGHT}, not 99 x {HEIGHT})",
    ),
}


# of data with boxes alone masks are not looked at
@pytest.mark.parametrize(
    ("name", "layout"),
    [*((name, "coco") for name in BOXES | MASKS), *((name, "voc_boxes") for name in BOXES)],
)
def test_a_defect_among_many_is_left_out_and_told(name, layout, write_coco):
    change, words, done = (BOXES | MASKS)[name]
    root = write_coco(change)
    data = find(layout, root)
    (line,) = data.defects
    number = "number 7" if name == "no id" else "id 100" if "id of another" in name else "id 107"
    assert f"instances_train2017.json: 1 of {MANY} annotations: {words}, {done} ({number})" in line
    if layout == "coco":
        kept = read(Path(data.annotations[0]))["annotations"]
        assert len(kept) == MANY - (done == "left out")
        assert data.changes == (() if done.startswith("kept") else data.defects)
        assert json.dumps(kept) == json.dumps(kept, allow_nan=False)
    else:
        objects = [
            item
            for image in find_boxes(root, left_out=data.left_out).images("trainval")
            for item in image.objects
        ]
        assert len(objects) == MANY - (done == "left out")
        assert all(0 <= edge <= WIDTH for item in objects for edge in item.box)


@pytest.mark.parametrize("layout", ["coco", "voc_boxes"])
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_with_a_defect_is_left_out_with_its_annotations(name, layout, write_coco):
    change, words = PICTURES[name]
    root = write_coco(change)
    data = find(layout, root)
    told = [line for line in data.defects if " pictures: " in line]
    assert len(told) == 1 and f"instances_train2017.json: 1 of {MANY} pictures: {words}" in told[0]
    assert data.train_images == MANY - 1


@pytest.mark.parametrize("name", BOXES | PICTURES)
def test_strict_allows_none(name, write_coco):
    change, words, *_ = (BOXES | PICTURES)[name]
    line = refused("coco", write_coco(change), strict=True)
    assert "have defects, and --strict allows none: " in line and words.split(", ")[0] in line


def test_more_than_one_in_a_hundred_is_an_error(write_coco):
    def two(train):
        for number in (3, 5):
            train["annotations"][number]["bbox"] = [2, 3, -8, 4]

    line = refused("coco", write_coco(two))
    assert line.endswith(
        f"instances_train2017.json: 2 of {MANY} annotations have defects, more than 1 %: "
        "2 with a box of negative width or height (id 103, id 105)"
    )


def test_ids_and_files_of_several_pictures(write_coco):
    """Nobody knows whose the annotations are."""
    assert "2 with the id of another" in refused("coco", write_coco(picture(id=3)))
    assert "2 with the file of another" in refused("coco", write_coco(picture(file_name="3.jpg")))


def test_a_picture_that_is_tested_on_is_not_trained_on(write_coco):
    root = write_coco()
    for split in ("train", "val"):
        (root / f"{split}2017").unlink()
    content = read(root / "annotations/instances_train2017.json")
    val = content | {"images": content["images"][5:6], "annotations": content["annotations"][5:6]}
    (root / "annotations/instances_train2017.json").rename(root / "train.json")
    (root / "annotations/instances_val2017.json").unlink()
    (root / "val.json").write_text(json.dumps(val))
    for picture_ in content["images"]:
        write_picture(root / "images" / picture_["file_name"])
    for layout in ("coco", "voc_boxes"):
        data = find(layout, root)
        assert f"1 of {MANY} pictures: 1 that are tested on, left out (5.jpg)" in data.defects[0]
        assert data.train_images == MANY - 1


LEGAL = {
    "nothing": lambda train: None,
    "half a pixel": box(2, 3, 0.5, 0.25),
    "out by rounding": box(-0.6, 3, 25.5, 4),
    "a crowd": runs([HEIGHT, WIDTH], [10, 5, HEIGHT * WIDTH - 15]),
    "compressed runs": runs([HEIGHT, WIDTH], ":5?]1Q9"),
    "no word of a crowd": without("annotations", "iscrowd"),
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_published_data_holds_is_no_defect(name, write_coco):
    """The file itself is trained on, and rows do not speak of defects."""
    root = write_coco(LEGAL[name])
    for strict in (False, True):
        data = find("coco", root, strict)
        assert data.annotations == (str(root / "annotations/instances_train2017.json"),) and not data.defects
        assert not (root / "out").exists()


FILES = {  # name: (the file's text, words of the line)
    "empty": ("", "not JSON"),
    "torn": ('{"images": [{"id": 1', "not JSON"),
    "binary": ("\udcff\udcfe\x00", "not JSON"),
    "deep": ("[" * 200_000, "not JSON"),
    "a number of 10,000 digits": ('{"images": ' + "9" * 10_000, "not JSON"),
    "a list": ("[]", "not COCO annotations, it lacks images, annotations, categories"),
    "a word": ('"images annotations categories"', "not COCO annotations, it lacks images"),
    "images in a dict": ('{"images": {}, "annotations": [], "categories": []}', "its images are a dict"),
    "no annotations": (
        '{"images": [], "annotations": null, "categories": []}',
        "its annotations are a NoneType",
    ),
    "a category without a name": (
        '{"images": [], "annotations": [], "categories": [{"id": 1}]}',
        "a category needs a whole number as id, and a name; one is {'id': 1}",
    ),
    "two categories of one id": (
        '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}',
        "several categories have the id 1",
    ),
    "two categories of one name": (
        '{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]}',
        "several categories have the name 'a'",
    ),
}


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_annotation_file(name, split, write_coco):
    text, words = FILES[name]
    root = write_coco()
    file = root / f"annotations/instances_{split}2017.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    for layout in ("coco", "voc_boxes"):
        assert refused(layout, root).startswith(f"{file}: ") and words in refused(layout, root)


def test_a_pipe_is_no_annotation_file(write_coco):
    root = write_coco()
    (root / "annotations/instances_train2017.json").unlink()
    os.mkfifo(root / "annotations/instances_train2017.json")
    os.mkfifo(root / "train.json")
    assert "no annotation file of train" in refused("coco", root)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.lists(st.floats(), max_size=8), st.lists(st.lists(st.integers(-9, 99), max_size=8), max_size=2),
    st.fixed_dictionaries({"size": st.just([HEIGHT, WIDTH]), "counts": st.text(max_size=8)}),
)  # fmt: skip


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(["images", "annotations", "annotations", "annotations", "categories"]),
            st.sampled_from(
                [
                    "id",
                    "file_name",
                    "width",
                    "image_id",
                    "category_id",
                    "bbox",
                    "segmentation",
                    "iscrowd",
                    "area",
                ]
            ),
            ANYTHING,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_an_annotation_file_holds_it_is_read_or_refused(changes, write_coco):
    def change(train):
        for part, key, value in changes:
            train[part][min(7, len(train[part]) - 1)][key] = value

    root = write_coco(change)
    for layout in ("coco", "voc_boxes"):
        try:
            data = find(layout, root)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            assert data.train_images >= MANY - 3


# --- VOC's boxes -------------------------------------------------------------------------------------


GOOD = "<xmin>3</xmin><ymin>4</ymin><xmax>10</xmax><ymax>7</ymax>"
SIZE = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"


def xml(*boxes, size=SIZE) -> str:
    objects = (f"<object><name>cat</name><bndbox>{one}</bndbox></object>" for one in boxes)
    return f"<annotation>{size}{''.join(objects)}</annotation>"


def edges(left, top, right, bottom) -> str:
    return xml(f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>", GOOD)


@pytest.fixture
def voc(coco, tmp_path):
    """120 pictures to train on and one to test on."""
    pictures, _ = coco
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "JPEGImages").mkdir()
    names = {"trainval": [str(number) for number in range(MANY)], "test": ["test"]}
    for split, folder in (("trainval", "train2017"), ("test", "val2017")):
        (tmp_path / f"ImageSets/Main/{split}.txt").write_text("\n".join(names[split]))
        for name in names[split]:
            (tmp_path / f"JPEGImages/{name}.jpg").symlink_to(pictures / folder / f"{name}.jpg")
            (tmp_path / f"Annotations/{name}.xml").write_text(xml(GOOD))
    return tmp_path


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


# --- masks -------------------------------------------------------------------------------------------


def write_mask(path: Path, values=1, size=(WIDTH, HEIGHT), mode="L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, values).save(path)


@pytest.fixture
def masks(coco, tmp_path):
    """120 pictures to train on and one to test on, with masks of class 1."""
    pictures, _ = coco
    for split, names in (("train", range(MANY)), ("val", ["test"])):
        (tmp_path / "img").mkdir(exist_ok=True)
        (tmp_path / "img" / split).symlink_to(pictures / f"{split}2017")
        for name in names:
            write_mask(tmp_path / f"ann/{split}/{name}.png")
    return tmp_path


def torn(path: Path) -> None:
    Image.effect_noise((WIDTH, HEIGHT), 9).save(path)
    path.write_bytes(path.read_bytes()[:-40])


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


@pytest.mark.parametrize(
    "make", [torn, lambda path: write_mask(path, 9), lambda path: write_mask(path, size=(9, 9))]
)
@pytest.mark.parametrize("framework", ["mmseg", "detectron2"])
def test_a_mask_deep_in_the_data_ends_a_framework_s_loading_with_its_name(framework, make, masks):
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    classes, file = ("ground", "cat"), masks / "ann/train/110.png"
    number = [mask for _, mask in find_segmentation(masks, "voc_masks", classes).pairs("train")].index(file)
    make(file)
    if framework == "mmseg":
        from transfer.frameworks.openmmlab.data import SegmentationPairs

        steps = [{"type": "ReadPicture"}, {"type": "LoadAnnotations"}]
        where = {"layout": "voc_masks", "split": "train", "classes": classes, "data_root": str(masks)}
        data = SegmentationPairs(**where, pipeline=steps)
        assert data[0]["gt_seg_map"].shape == (HEIGHT, WIDTH)
        load = data.__getitem__
    else:
        from transfer.frameworks.detectron2.data import Mapper
        from transfer.frameworks.detectron2.masks import mask_dicts

        mapper, records = (
            Mapper(is_train=True, augmentations=[], image_format="RGB"),
            mask_dicts(str(masks), "voc_masks", "train", classes),
        )

        def load(row):
            return mapper(records[row])

    with pytest.raises(UserError) as error:
        load(number)
    assert str(error.value).startswith(f"{file}: ") and "\n" not in str(error.value)


FILLED = {  # benchmark: (the fixture of its data, what is done to it)
    "voc07_det": ("voc", lambda root: (root / "Annotations/7.xml").write_text("<annotation><obj")),
    "voc07_fast_rcnn": ("voc", lambda root: (root / "Annotations/7.xml").write_text("<annotation><obj")),
    "voc12_seg": ("masks", lambda root: torn(root / "ann/train/7.png")),
    "cityscapes_seg_d2": ("masks", lambda root: torn(root / "ann/train/7.png")),
}


@pytest.mark.parametrize("name", FILLED)
def test_a_framework_does_not_see_what_is_left_out(name, request, tmp_path):
    """The config that is written for it is all that it reads."""
    framework = find_benchmark(name).framework
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    data, make = FILLED[name]
    make(root := request.getfixturevalue(data))
    where = ("--data-root", str(root), "--work-dir", str(tmp_path / "runs"), "--classes", "cat", "dog")
    plan = make_plan(run.parse([name, "test_resnet", "--init", "random", "--gpus", "0", *where]))
    whole = plan.cells[0].runs[0]
    assert "1 of 120 pictures: 1 with" in whole.settings["defects"][0]
    file = whole.save().with_name(whole.filled.file)
    if framework == "mmseg":
        from mmengine.config import Config
        from mmengine.registry import DATASETS, DefaultScope

        with DefaultScope.overwrite_default_scope(framework):
            config = Config.fromfile(file)
            assert len(DATASETS.build(config.train_dataloader.dataset)) == MANY - 1
            assert len(DATASETS.build(config.test_dataloader.dataset)) == 1
    else:
        from detectron2.config import LazyConfig, instantiate

        loaders = LazyConfig.load(str(file)).dataloader
        assert len(instantiate(loaders.train.dataset)) == MANY - 1
        assert len(instantiate(loaders.test.dataset)) == 1
        instantiate(loaders.evaluator)


def test_a_split_list_that_is_no_text(voc):
    (voc / "ImageSets/Main/trainval.txt").write_bytes(b"\xff\xfe\0")
    assert "trainval.txt: no text" in refused("voc_boxes", voc)


# --- what is printed ---------------------------------------------------------------------------------


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
