"""Data with annotations, and a limit in time: nothing hangs, whatever it is given."""

import copy
import json
import signal
from pathlib import Path

import pytest

from tests.hostile.annotations import GOOD, HEIGHT, MANY, WIDTH, write_mask, write_picture, xml

LIMIT = 120  # seconds, on a machine that does other work as well; docs/results.md has the times


@pytest.fixture(autouse=True)
def nothing_hangs():
    def hung(*_):
        raise TimeoutError(f"hangs: not done after {LIMIT} s")

    before = signal.signal(signal.SIGALRM, hung)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


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
