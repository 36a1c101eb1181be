"""The demo world: same bytes for the same seed, read by the frameworks' own loaders, repaired if broken."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distill.demo import layouts
from distill.demo.scenes import DIGITS, draw_scene, draw_sheet, load_strokes
from distill.demo.world import MARK, STAGING, DemoSpec, write_demo
from distill.errors import UserError

SMALL = {"n_classification": (20, 10), "n_scenes": (6, 3)}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo"), **SMALL)


def hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_same_seed_same_bytes_another_seed_others(world, tmp_path):
    assert hashes(write_demo(tmp_path / "again", **SMALL)) == hashes(world)
    other = hashes(write_demo(tmp_path / "other", seed=1, **SMALL))
    changed = {name for name, digest in hashes(world).items() if other[name] != digest}
    assert {name for name in other if name.endswith((".jpg", "leftImg8bit.png"))} < changed


def test_pixels_do_not_change_unnoticed():
    """Digests recorded with the pinned Pillow, which turns the digits."""
    strokes = load_strokes()["train"]
    sheet = draw_sheet(np.random.default_rng(0), strokes, 3, 64)
    scene = draw_scene(np.random.default_rng(0), strokes, 128)
    assert sheet.size == (64, 64) and scene.image.size == (128, 128)
    assert hashlib.sha256(sheet.tobytes()).hexdigest()[:16] == "29ecb0214bd8def1"
    assert hashlib.sha256(scene.image.tobytes()).hexdigest()[:16] == "8df3365bc0615b72"


def test_more_pictures_leave_the_first_ones_unchanged(world, tmp_path):
    more = hashes(write_demo(tmp_path, n_classification=(30, 10), n_scenes=(6, 3)))
    fewer = hashes(world)
    assert all(more[name] == digest for name, digest in fewer.items() if name != MARK)


def test_no_stroke_is_in_both_splits():
    strokes = load_strokes()
    assert not set(strokes["train"].index) & set(strokes["val"].index)
    pixels = {split: {image.tobytes() for image in part.images} for split, part in strokes.items()}
    assert not pixels["train"] & pixels["val"]
    for part in strokes.values():
        assert np.bincount(part.labels).min() >= 50  # every class has many writers' strokes


def test_image_folder(world):
    datasets = pytest.importorskip("torchvision").datasets
    for split, count in (("train", 20), ("val", 10)):
        data = datasets.ImageFolder(world / "imagefolder" / split)
        assert data.classes == (world / "imagefolder/classes.txt").read_text().split()
        assert np.bincount(data.targets).tolist() == [count // 10] * 10
        assert data[0][0].size == (64, 64)


def test_voc_boxes(world):
    datasets = pytest.importorskip("torchvision").datasets
    classes = (world / "voc/VOCdevkit/VOC2007/classes.txt").read_text().split()
    for split, count in (("trainval", 6), ("test", 3)):
        data = datasets.VOCDetection(world / "voc", year="2007", image_set=split, download=False)
        assert len(data) == count
        for image, target in data:
            assert image.size == (128, 128)
            for thing in target["annotation"]["object"]:
                box = {side: int(value) for side, value in thing["bndbox"].items()}
                assert 1 <= box["xmin"] < box["xmax"] <= 128 and 1 <= box["ymin"] < box["ymax"] <= 128
                assert thing["name"] in classes


def test_voc_masks(world):
    datasets = pytest.importorskip("torchvision").datasets
    folder = world / "voc/VOCdevkit/VOC2012"
    assert (folder / "classes.txt").read_text().split() == ["background", *DIGITS]
    for split, count in (("train", 6), ("val", 3), ("trainval", 9)):
        data = datasets.VOCSegmentation(world / "voc", year="2012", image_set=split, download=False)
        assert len(data) == count
        for image, mask in data:
            assert mask.mode == "P" and mask.size == image.size
            ids = set(np.unique(mask))
            assert {0, 255} < ids <= {0, 255, *range(1, 11)}


def test_voc_palette_is_the_published_one():
    palette = np.reshape(layouts.voc_palette(), (256, 3)).tolist()
    assert palette[0] == [0, 0, 0] and palette[1] == [128, 0, 0] and palette[15] == [192, 128, 128]
    assert palette[20] == [0, 64, 128] and palette[255] == [224, 224, 192]


def test_coco_boxes_agree_with_masks(world):
    coco = pytest.importorskip("pycocotools.coco")
    for split, count in (("train", 6), ("val", 3)):
        data = coco.COCO(world / f"coco/annotations/instances_{split}2017.json")
        assert len(data.imgs) == count
        assert [category["name"] for category in data.loadCats(range(1, 11))] == list(DIGITS)
        for annotation in data.anns.values():
            mask = data.annToMask(annotation).astype(bool)
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            left, top = columns[0], rows[0]
            assert annotation["bbox"] == [left, top, columns[-1] + 1 - left, rows[-1] + 1 - top]
            assert annotation["area"] == mask.sum() > 30
        for image in data.imgs.values():
            size = Image.open(world / f"coco/{split}2017" / image["file_name"]).size
            assert size == (image["width"], image["height"])


def test_run_lengths_go_down_the_columns():
    assert layouts.run_lengths(np.array([[0, 1], [0, 1], [1, 1]], bool)) == [2, 4]
    assert layouts.run_lengths(np.array([[1, 0], [1, 1]], bool)) == [0, 2, 1, 1]
    assert layouts.run_lengths(np.zeros((2, 3), bool)) == [6]


def test_cityscapes_ids_follow_the_published_table(world):
    datasets = pytest.importorskip("torchvision").datasets
    table = {entry.name: entry for entry in datasets.Cityscapes.classes}
    for name, label, train in (layouts.CITYSCAPES_GROUND, *layouts.CITYSCAPES_DIGITS):
        assert (table[name].id, table[name].train_id) == (label, train)
    names = sorted((e for e in table.values() if 0 <= e.train_id < 19), key=lambda entry: entry.train_id)
    listed = (world / "cityscapes/classes.txt").read_text().splitlines()
    assert listed == [entry.name for entry in names]

    to_train = {entry.id: entry.train_id for entry in table.values() if entry.id >= 0}
    for split, count in (("train", 6), ("val", 3)):
        data = datasets.Cityscapes(world / "cityscapes", split, target_type=["semantic", "instance"])
        assert len(data) == count
        for (_, (semantic, instance)), paths in zip(data, data.targets, strict=True):
            ids, instances = np.array(semantic), np.array(instance)
            trained = np.array(Image.open(paths[0].replace("labelIds", "labelTrainIds")))
            assert np.array_equal(np.vectorize(to_train.get)(ids), trained)
            assert np.array_equal(np.where(instances >= 1000, instances // 1000, instances), ids)


def test_layouts_show_the_same_scenes(world):
    coco = json.loads((world / "coco/annotations/instances_train2017.json").read_text())
    for image in coco["images"]:
        name = f"{image['id']:06d}"
        jpeg = (world / "coco/train2017" / image["file_name"]).read_bytes()
        assert jpeg == (world / f"voc/VOCdevkit/VOC2007/JPEGImages/{name}.jpg").read_bytes()
        mask = np.array(Image.open(world / f"voc/VOCdevkit/VOC2012/SegmentationClass/{name}.png"))
        here = {a["category_id"] for a in coco["annotations"] if a["image_id"] == image["id"]}
        assert set(np.unique(mask)) - {0, 255} == here


def test_a_complete_copy_is_left_alone_and_other_parameters_replace_it(tmp_path):
    write_demo(tmp_path, **SMALL)
    mine = tmp_path / "notes.txt"
    mine.write_text("kept")
    before = (tmp_path / MARK).stat().st_mtime_ns
    write_demo(tmp_path, **SMALL)
    assert (tmp_path / MARK).stat().st_mtime_ns == before
    write_demo(tmp_path, **{**SMALL, "n_scenes": (4, 2)})
    assert (tmp_path / MARK).stat().st_mtime_ns > before
    assert len(list((tmp_path / "coco/train2017").iterdir())) == 4
    assert mine.read_text() == "kept"


def test_lost_files_are_restored(world, tmp_path):
    write_demo(tmp_path, **SMALL)
    (tmp_path / "voc/VOCdevkit/VOC2007/Annotations/000001.xml").unlink()
    write_demo(tmp_path, **SMALL)
    assert hashes(tmp_path) == hashes(world)


def test_an_interrupted_write_is_never_taken_for_a_whole_one(world, tmp_path):
    code = f"from distill.demo.world import write_demo; write_demo({str(tmp_path)!r}, **{SMALL!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    while not (tmp_path / STAGING / "voc").exists():
        assert process.poll() is None, "finished before it could be interrupted"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / MARK).exists() and not (tmp_path / "imagefolder").exists()
    write_demo(tmp_path, **SMALL)
    assert hashes(tmp_path) == hashes(world)
    assert not (tmp_path / STAGING).exists()


def test_an_interruption_while_moving_into_place_is_repaired(world, tmp_path):
    write_demo(tmp_path, **SMALL)
    (tmp_path / MARK).unlink()
    (tmp_path / STAGING).mkdir()
    os.replace(tmp_path / "coco", tmp_path / STAGING / "coco")
    write_demo(tmp_path, **SMALL)
    assert hashes(tmp_path) == hashes(world)


def test_folders_that_are_not_demo_data_are_never_touched(tmp_path):
    (tmp_path / "voc").mkdir()
    (tmp_path / "voc/mine.txt").write_text("precious")
    with pytest.raises(UserError, match="not demo data"):
        write_demo(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.rglob("*")] == ["voc", "mine.txt"]


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"n_scenes": (0, 3)}, "n_scenes"),
        ({"n_classification": (5,)}, "n_classification"),
        ({"image_size": 8}, "image_size"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_parameters_are_named(wrong, named):
    with pytest.raises(UserError, match=named):
        DemoSpec(**wrong)


def test_command_line(tmp_path):
    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "distill.demo", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    done = run(tmp_path / "demo", "--seed", 7)
    assert done.returncode == 0 and "3132 files" in done.stdout
    assert json.loads((tmp_path / "demo" / MARK).read_text())["seed"] == 7
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    refused = run(in_the_way)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1 and str(in_the_way) in refused.stderr
