"""Defects of COCO's annotation files: counted, named and left out while they are few; many are an error."""

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distill.errors import UserError
from tests.hostile.annotations import HEIGHT, MANY, WIDTH, find, refused, write_picture
from transfer.datasets.boxes import find_boxes
from transfer.datasets.coco_files import read

INF, NAN = math.inf, math.nan


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
