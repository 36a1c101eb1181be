"""The batches of a run in Detectron2: those of its own loader, from any step on."""

from itertools import islice

import pytest
from PIL import Image

pytest.importorskip("detectron2", reason="Detectron2 is not installed: it has no batches")

from detectron2.data import build_detection_train_loader  # noqa: E402
from detectron2.data.samplers import TrainingSampler  # noqa: E402

from transfer.frameworks.detectron2.data import train_loader  # noqa: E402

SIZES = [(40, 30), (30, 40), (50, 20), (20, 50), (60, 10), (40, 39), (10, 60)]


def listed() -> list[dict]:
    return [
        {"file_name": str(number), "width": width, "height": height}
        for number, (width, height) in enumerate(SIZES)
    ]


def names(loader: object, first: int, steps: int) -> list[list[str]]:
    return [[each["file_name"] for each in batch] for batch in islice(loader, first, first + steps)]


@pytest.mark.parametrize("grouping", [True, False])
@pytest.mark.parametrize("first", [0, 5])
def test_they_are_those_of_detectron2s_own_loader(grouping, first):
    options = {"mapper": dict, "total_batch_size": 2, "aspect_ratio_grouping": grouping}
    theirs = build_detection_train_loader(listed(), sampler=TrainingSampler(len(SIZES), seed=3), **options)
    ours = train_loader(listed(), seed=3, first=first, **options)
    assert names(ours, 0, 12) == names(theirs, first, 12)


def test_a_picture_of_masks_has_the_shape_that_its_file_has(tmp_path):
    for number, size in enumerate(SIZES):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    files = [{"file_name": str(tmp_path / f"{number}.png")} for number in range(len(SIZES))]
    found = names(train_loader(files, mapper=dict, total_batch_size=2, seed=3), 0, 12)
    declared = names(train_loader(listed(), mapper=dict, total_batch_size=2, seed=3), 0, 12)
    assert [[name.split("/")[-1].removesuffix(".png") for name in batch] for batch in found] == declared
