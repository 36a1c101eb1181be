"""Dataset layouts and splits; no framework is needed for any of it."""

import json

import numpy as np
import pytest
from PIL import Image

from distill.errors import UserError
from transfer.datasets import cityscapes, cityscapes_instances, coco, segmentation, voc
from transfer.datasets.find import find_data

# --- Pascal VOC detection -------------------------------------------------------------------------


def write_picture(path, size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def write_voc(folder, boxes):
    """``boxes``: split -> [(class, box)], one picture a split."""
    for split, objects in boxes.items():
        name = f"{split}_0"
        write_picture(folder / f"JPEGImages/{name}.jpg")
        tags = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
            f"<ymax>{d}</ymax></bndbox></object>"
            for label, (a, b, c, d) in objects
        )
        size = "<size><width>20</width><height>10</height></size>"
        for path, text in {
            folder / f"Annotations/{name}.xml": f"<annotation>{size}{tags}</annotation>",
            folder / f"ImageSets/Main/{split}.txt": f"{name}\n",
        }.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


CELLS = {"trainval": [("WBC", (1, 1, 5, 5)), ("RBC", (2, 2, 9, 9.5))], "test": [("RBC", (1, 1, 20, 10))]}


@pytest.mark.parametrize("inside", ["", "VOC2007", "VOCdevkit/VOC2007", "voc/VOCdevkit/VOC2007"])
def test_voc_is_found_and_its_classes_read_from_the_boxes(tmp_path, inside):
    write_voc(tmp_path / inside, CELLS)
    data = voc.find_detection(tmp_path)
    assert data.classes == ("RBC", "WBC") and data.folder == tmp_path / inside
    (image,) = data.images("trainval")
    assert (image.width, image.height) == (20, 10)
    assert image.objects[1] == voc.VocObject("RBC", (2, 2, 9, 9.5), difficult=False)


def test_classes_given_must_name_every_box(tmp_path):
    write_voc(tmp_path, CELLS)
    assert voc.find_detection(tmp_path, ("WBC", "RBC", "Platelets")).classes == ("WBC", "RBC", "Platelets")
    with pytest.raises(UserError, match="trainval has boxes of WBC, which --classes does not name: RBC"):
        voc.find_detection(tmp_path, ("RBC",))


def test_a_class_only_in_the_test_split_is_an_error(tmp_path):
    write_voc(tmp_path, {**CELLS, "test": [("cat", (1, 1, 2, 2))]})
    with pytest.raises(UserError, match="boxes of cat, which trainval has not; give --classes: RBC, WBC"):
        voc.find_detection(tmp_path)


def test_missing_voc_names_where_it_was_looked_for_and_what_lacks(tmp_path):
    write_voc(tmp_path / "VOCdevkit/VOC2007", {"trainval": CELLS["trainval"]})
    with pytest.raises(UserError, match=r"VOCdevkit/VOC2007 lacks ImageSets/Main/test.txt"):
        voc.find_detection(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        voc.find_detection(tmp_path / "nowhere")


def test_a_torn_annotation_is_named(tmp_path):
    write_voc(tmp_path, CELLS)
    broken = tmp_path / "Annotations/test_0.xml"
    for text in ("<annotation><size>", "<annotation><object><name>RBC</name></object></annotation>"):
        broken.write_text(text)
        with pytest.raises(UserError, match="test_0.xml: not a VOC annotation"):
            voc.find_detection(tmp_path)


# --- COCO low-shot splits ---------------------------------------------------------------------------


def test_splits_share_no_image_and_are_the_same_for_everyone():
    splits = coco.draw_splits(list(range(100, 160)), size=12)
    assert [len(split) for split in splits] == [12] * 5
    assert len(set().union(*splits)) == 60
    assert splits == coco.draw_splits(list(range(159, 99, -1)), size=12)


def test_splits_larger_than_the_data_say_what_fits():
    with pytest.raises(UserError, match="need 5000 images.*there are 49: give --split-size 9 or less"):
        coco.draw_splits(list(range(49)), size=1_000)


def write_coco(root, images=12):
    for split in ("train", "val"):
        (root / f"{split}2017").mkdir(parents=True)
        content = {
            "images": [{"id": i, "file_name": f"{i}.jpg", "width": 20, "height": 10} for i in range(images)],
            "annotations": [  # the last picture has no box
                {"id": i, "image_id": i, "category_id": 7, "iscrowd": 0, "segmentation": [[0, 0, 9, 0, 9, 9]]}
                for i in range(images - 1)
            ],
            "categories": [{"id": 9, "name": "dog"}, {"id": 7, "name": "cat"}],
        }
        (root / "annotations").mkdir(exist_ok=True)
        (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(content))


def test_splits_are_written_as_annotation_files(tmp_path):
    write_coco(tmp_path / "coco")
    data = coco.find_instances(tmp_path)
    assert data.classes == ("cat", "dog")
    assert len(coco.boxed_images(data)) == 11
    paths = coco.write_splits(data, 2, tmp_path / "splits")
    assert [path.name for path in paths] == [f"instances_2_fold{fold}.json" for fold in range(5)]
    seen = set()
    for path in paths:
        part = json.loads(path.read_text())
        ids = {image["id"] for image in part["images"]}
        assert len(ids) == 2 and ids == {item["image_id"] for item in part["annotations"]}
        assert 11 not in ids and not ids & seen
        seen |= ids
    assert json.loads((tmp_path / "splits/splits.json").read_text())["folds"] == 5


def test_known_splits_are_kept_and_those_of_other_data_are_not(tmp_path):
    write_coco(tmp_path / "a")
    write_coco(tmp_path / "b", images=30)
    first = coco.find_instances(tmp_path / "a")
    path = coco.write_splits(first, 2, tmp_path / "splits")[0]
    before = path.stat().st_mtime_ns
    assert coco.write_splits(first, 2, tmp_path / "splits")[0].stat().st_mtime_ns == before
    assert coco.write_splits(coco.find_instances(tmp_path / "b"), 2, tmp_path / "splits")[0] == path
    assert path.stat().st_mtime_ns > before


def test_a_file_that_is_no_coco_annotation_is_named(tmp_path):
    write_coco(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    for text, reason in (("{", "not JSON"), ('{"images": []}', "lacks annotations, categories")):
        path.write_text(text)
        with pytest.raises(UserError, match=f"instances_val2017.json: .*{reason}"):
            coco.find_instances(tmp_path)


def test_an_unknown_layout_names_the_valid_ones(tmp_path):
    with pytest.raises(UserError, match="unknown data layout 'cocco'; did you mean 'coco'.*voc_boxes"):
        find_data("cocco", str(tmp_path), None, None, tmp_path)


# --- Cityscapes' instances --------------------------------------------------------------------------


def by_hand(counts, size):
    """COCO's run lengths -> mask, the slow way: runs of 0 and 1 in turn, down the columns."""
    flat = [number % 2 for number, count in enumerate(counts) for _ in range(count)]
    return np.array(flat).reshape(size[::-1]).T


def test_run_lengths_are_those_of_the_mask():
    random = np.random.default_rng(0)
    for _ in range(20):
        mask = random.random((5, 7)) < 0.3
        mask[2, 3] = True
        assert np.array_equal(by_hand(cityscapes_instances.run_lengths(mask), mask.shape), mask)


def test_objects_of_an_instance_mask():
    values = np.zeros((4, 6), dtype=np.uint16)
    values[0, :] = 7  # road: not of a class whose objects are told apart
    values[1:3, 1:4] = 26_000  # the first car
    values[3, 5] = 26_001
    values[3, 0:2] = 24  # a group of people, not told apart
    crowd, car, other = cityscapes_instances.objects(values)
    assert (crowd["category_id"], crowd["iscrowd"], crowd["bbox"]) == (24, 1, [0, 3, 2, 1])
    assert (car["category_id"], car["iscrowd"], car["bbox"], car["area"]) == (26, 0, [1, 1, 3, 2], 6)
    assert other["bbox"] == [5, 3, 1, 1]
    found = by_hand(car["segmentation"]["counts"], car["segmentation"]["size"])
    assert np.array_equal(found, values == 26_000)


def test_cityscapes_instances_are_written_once(tmp_path):
    root = tmp_path / "cityscapes"
    for split in ("train", "val"):
        write_picture(root / f"leftImg8bit/{split}/bonn/bonn_0_leftImg8bit.png", (2, 2))
        mask = root / f"gtFine/{split}/bonn/bonn_0_gtFine_instanceIds.png"
        mask.parent.mkdir(parents=True)
        Image.fromarray(np.array([[7, 26_000], [24, 24]], dtype=np.uint16)).save(mask)
    data = find_data("cityscapes_instances", str(tmp_path), None, None, tmp_path / "out")
    assert data.classes == ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    assert data.train_images == 1 and data.test_pictures == str(root / "leftImg8bit/val")
    content = json.loads((tmp_path / "out/instances_train.json").read_text())
    (image,) = content["images"]
    assert image["file_name"] == "bonn/bonn_0_leftImg8bit.png" and (image["height"], image["width"]) == (2, 2)
    assert [item["id"] for item in content["annotations"]] == [1, 2]
    before = (tmp_path / "out/instances_train.json").stat().st_mtime_ns
    find_data("cityscapes_instances", str(tmp_path), None, None, tmp_path / "out")
    assert (tmp_path / "out/instances_train.json").stat().st_mtime_ns == before
    mask.unlink()
    with pytest.raises(UserError, match="bonn_0_leftImg8bit.png: its mask .*instanceIds.png is missing"):
        find_data("cityscapes_instances", str(tmp_path), None, None, tmp_path / "out")


# --- Segmentation -----------------------------------------------------------------------------------


def write_mask(path, values=((0, 1), (2, 255))):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype=np.uint8)).save(path)


def test_plain_folders_number_their_classes_from_the_masks(tmp_path):
    for split in ("train", "val"):
        write_picture(tmp_path / f"img/{split}/a.jpg", (2, 2))
        write_mask(tmp_path / f"ann/{split}/a.png")
    for layout in ("voc_masks", "cityscapes_masks"):
        data = segmentation.find_segmentation(tmp_path, layout)
        assert data.classes == ("class 0", "class 1", "class 2") and data.label_map is None
        assert data.pairs("val") == [(tmp_path / "img/val/a.jpg", tmp_path / "ann/val/a.png")]


def test_a_picture_without_a_mask_is_named(tmp_path):
    for split in ("train", "val"):
        write_picture(tmp_path / f"images/{split}/a.jpg", (2, 2))
        write_mask(tmp_path / f"masks/{split}/a.png")
    write_picture(tmp_path / "images/train/b.jpg")
    with pytest.raises(UserError, match=r"b.jpg: its mask .*masks/train/b.png is missing"):
        find_data("voc_masks", str(tmp_path), None, None, tmp_path)


def test_fewer_class_names_than_the_masks_hold_is_an_error(tmp_path):
    for split in ("train", "val"):
        write_picture(tmp_path / f"img/{split}/a.jpg", (2, 2))
        write_mask(tmp_path / f"ann/{split}/a.png")
    with pytest.raises(UserError, match="a.png: holds class number 2, but only 2 classes are named"):
        find_data("voc_masks", str(tmp_path), ("sky", "road"), None, tmp_path)


def test_voc2012_has_its_own_names(tmp_path):
    folder = tmp_path / "VOCdevkit/VOC2012"
    for split in ("train", "val"):
        write_picture(folder / f"JPEGImages/{split}.jpg")
        write_mask(folder / f"SegmentationClass/{split}.png")
        (folder / "ImageSets/Segmentation").mkdir(parents=True, exist_ok=True)
        (folder / f"ImageSets/Segmentation/{split}.txt").write_text(f"{split}\n")
    data = segmentation.find_segmentation(tmp_path, "voc_masks")
    assert len(data.classes) == 21 and data.classes[15] == "person"
    (folder / "classes.txt").write_text("background\ncell\ndust\n")
    assert segmentation.find_segmentation(tmp_path, "voc_masks").classes == ("background", "cell", "dust")


def test_palette_masks_give_numbers_not_colours(tmp_path):
    mask = Image.fromarray(np.array([[0, 3]], dtype=np.uint8))
    mask.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 200, 0, 0])
    mask.save(tmp_path / "mask.png")
    assert segmentation.read_mask(tmp_path / "mask.png").tolist() == [[0, 3]]
    write_picture(tmp_path / "colours.png")
    with pytest.raises(UserError, match="colours.png: a mask has one channel"):
        segmentation.read_mask(tmp_path / "colours.png")


def write_cityscapes(root, kind):
    for split in ("train", "val"):
        write_picture(root / f"leftImg8bit/{split}/bonn/bonn_0_leftImg8bit.png")
        write_mask(root / f"gtFine/{split}/bonn/bonn_0_gtFine_{kind}.png", [[0, 7], [33, 26]])


def test_cityscapes_label_ids_become_train_ids(tmp_path):
    write_cityscapes(tmp_path / "cityscapes", "labelIds")
    data = segmentation.find_segmentation(tmp_path, "cityscapes_masks")
    ((_, mask),) = data.pairs("train")
    values = segmentation.read_mask(mask).tolist()
    assert [[data.label_map[value] for value in row] for row in values] == [[255, 0], [18, 13]]
    # void, road; bicycle, car


def test_cityscapes_train_ids_are_taken_as_they_are(tmp_path):
    write_cityscapes(tmp_path, "labelTrainIds")
    assert segmentation.find_segmentation(tmp_path, "cityscapes_masks").label_map is None


def test_the_labels_are_cityscapes_own():
    label_map = cityscapes.label_map()
    assert set(label_map) == set(range(34)) and set(label_map.values()) == {*range(19), 255}
    assert [label_map[label] for label in (7, 11, 24, 33)] == [0, 2, 11, 18]


def test_missing_segmentation_data_names_both_layouts(tmp_path):
    with pytest.raises(UserError, match=r"no Cityscapes data \(nor .*folders\).*leftImg8bit/train"):
        segmentation.find_segmentation(tmp_path, "cityscapes_masks")
    with pytest.raises(UserError, match="no VOC2012 segmentation data"):
        segmentation.find_segmentation(tmp_path, "voc_masks")
