"""Data of one's own, in every layout that a benchmark of its kind takes."""

import json

import numpy as np
import pytest
from PIL import Image

from distill.errors import UserError
from transfer.datasets import cityscapes
from transfer.datasets.boxes import find_boxes
from transfer.datasets.find import find_data
from transfer.datasets.segmentation import find_segmentation
from transfer.datasets.voc import VocObject

SQUARE = [[0, 0, 9, 0, 9, 9]]


def write_picture(path, size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def write_coco(file, pictures, segmentation=SQUARE):
    """One picture with a cat, at 3, 2, 5 wide and 4 high, and a crowd of dogs."""
    name = "b.jpg" if "val" in f"{file.parent.name}/{file.name}" or "test" in file.name else "a.jpg"
    write_picture(pictures / name)
    box = {"image_id": 1, "bbox": [3, 2, 5, 4], "area": 20, "segmentation": segmentation}
    objects = [{"id": 1, "category_id": 7, "iscrowd": 0}, {"id": 2, "category_id": 9, "iscrowd": 1}]
    content = {
        "images": [{"id": 1, "file_name": name, "width": 20, "height": 10}],
        "annotations": [{**box, **one} for one in objects],
        "categories": [{"id": 9, "name": "dog"}, {"id": 7, "name": "cat"}],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def write_cityscapes(root, kind, values):
    for split in ("train", "val"):
        size = (len(values[0]), len(values))
        write_picture(root / f"leftImg8bit/{split}/bonn/bonn_0_leftImg8bit.png", size)
        mask = root / f"gtFine/{split}/bonn/bonn_0_gtFine_{kind}.png"
        mask.parent.mkdir(parents=True)
        Image.fromarray(np.array(values, dtype=np.uint16 if kind == "instanceIds" else np.uint8)).save(mask)


def find(layout, root, classes=None, split_size=None):
    return find_data(layout, str(root), classes, split_size, root / "out")


# --- COCO's format -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "val"),
    [
        (
            ("annotations/instances_train2017.json", "train2017"),
            ("annotations/instances_val2017.json", "val2017"),
        ),
        (("annotations/train.json", "images/train"), ("annotations/val.json", "images/val")),
        (("train.json", "images"), ("valid.json", "images")),
        (("train/_annotations.coco.json", "train"), ("valid/_annotations.coco.json", "valid")),
        (("annotations/instances_train.json", ""), ("annotations/instances_test.json", "")),
    ],
)
def test_annotation_files_of_other_names_are_found(tmp_path, train, val):
    for file, folder in (train, val):
        write_coco(tmp_path / file, tmp_path / folder)
    found = find("coco", tmp_path)
    assert (found.annotations, found.test_annotations) == (
        (str(tmp_path / train[0]),), str(tmp_path / val[0])
    )  # fmt: skip
    assert (found.train_pictures, found.test_pictures) == (
        str((tmp_path / train[1]).resolve()), str((tmp_path / val[1]).resolve())
    )  # fmt: skip
    assert found.classes == ("cat", "dog") and found.train_images == 1


def test_what_is_not_there_or_not_clear_is_asked_for(tmp_path):
    write_coco(tmp_path / "annotations/train_a.json", tmp_path / "images")
    with pytest.raises(
        UserError, match="no annotation file of val in COCO's format .*instances_val2017.json"
    ):
        find("coco", tmp_path)
    write_coco(tmp_path / "annotations/train_b.json", tmp_path / "images")
    write_coco(tmp_path / "annotations/val.json", tmp_path / "images")
    asked = "which of annotations/train_a.json, annotations/train_b.json is for train"
    with pytest.raises(UserError, match=f"{asked}.? Call it annotations/instances_train2017.json"):
        find("coco", tmp_path)
    (tmp_path / "annotations/train_b.json").unlink()
    (tmp_path / "images/a.jpg").unlink()
    with pytest.raises(
        UserError, match=r"train_a.json: its first picture, a.jpg, is in none of .*images/train"
    ):
        find("coco", tmp_path)


def test_classes_choose_among_those_of_the_file(tmp_path):
    for split in ("train", "val"):
        write_coco(tmp_path / f"{split}.json", tmp_path / "images")
    found = find("coco", tmp_path, ("cat",))
    assert found.classes == ("cat",)
    content = json.loads((tmp_path / "out/train_of_1_classes.json").read_text())
    assert found.annotations == (str(tmp_path / "out/train_of_1_classes.json"),)
    assert [item["category_id"] for item in content["annotations"]] == [7]
    with pytest.raises(UserError, match="unknown class 'cats'; did you mean 'cat'"):
        find("coco", tmp_path, ("cats",))


def test_boxes_without_masks_are_not_for_a_mask_rcnn(tmp_path):
    for split in ("train", "val"):
        write_coco(tmp_path / f"{split}.json", tmp_path / "images", segmentation=[])
    with pytest.raises(UserError, match="val.json: 2 objects have no segmentation.*voc07 benchmarks"):
        find("coco", tmp_path)
    assert find("voc_boxes", tmp_path).classes == ("cat", "dog")


def test_a_voc_benchmark_takes_cocos_format(tmp_path):
    for split in ("train", "val"):
        write_coco(tmp_path / f"{split}.json", tmp_path / "images")
    (image,) = find_boxes(tmp_path).images("trainval")
    assert (image.name, image.path, image.width) == ("a.jpg", tmp_path / "images/a.jpg", 20)
    assert image.objects == (
        VocObject("cat", (4, 3, 8, 6), difficult=False),
        VocObject("dog", (4, 3, 8, 6), difficult=True),
    ), "VOC counts pixels from 1, the last one included"
    (image,) = find_boxes(tmp_path, ("dog",)).images("test")
    assert [item.name for item in image.objects] == ["dog"]
    found = find("voc_boxes_and_proposals", tmp_path)
    assert found.train_images == 1 and found.proposals


# --- instances and masks in each other's layouts ------------------------------------------------------


def test_instances_may_be_cocos_or_cityscapes_for_every_benchmark_of_theirs(tmp_path):
    write_cityscapes(tmp_path / "a", "instanceIds", [[7, 26_000], [24, 24]])
    for split in ("train", "val"):
        write_coco(tmp_path / f"b/{split}.json", tmp_path / "b/images")
    for layout in ("coco", "cityscapes_instances"):
        assert len(find(layout, tmp_path / "a").classes) == 8
        assert find(layout, tmp_path / "b").classes == ("cat", "dog")
    assert find("coco", tmp_path / "a", ("car",)).classes == ("car",)
    with pytest.raises(UserError, match="no Cityscapes data"):
        (tmp_path / "c").mkdir()
        find("cityscapes_instances", tmp_path / "c")


def test_masks_may_be_vocs_or_cityscapes_for_every_benchmark_of_theirs(tmp_path):
    write_cityscapes(tmp_path, "labelIds", [[0, 7], [33, 26]])
    found = find_segmentation(tmp_path, "voc_masks")
    assert found.classes == cityscapes.CLASSES and found.label_map[7] == 0


def test_cityscapes_folders_with_classes_of_ones_own(tmp_path):
    write_cityscapes(tmp_path, "labelIds", [[0, 1], [2, 255]])
    found = find_segmentation(tmp_path, "cityscapes_masks", ("ground", "crop", "weed"))
    assert found.classes == ("ground", "crop", "weed") and found.label_map is None
    with pytest.raises(UserError, match="holds class number 2, but only 2 classes are named"):
        find("cityscapes_masks", tmp_path, ("ground", "crop"))
