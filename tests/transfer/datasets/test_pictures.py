"""The pictures of a benchmark's data: those its config trains on and tests with, in every layout."""

from dataclasses import replace

import pytest

from distill.demo.world import write_demo
from transfer.datasets.find import LAYOUTS, find_data
from transfer.datasets.pictures import pictures_of

SCENES = 30, 4  # to train on, to test with
SOURCES = {"coco": "train2017", "cityscapes_instances": "leftImg8bit", "cityscapes_masks": "leftImg8bit"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=SCENES)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "voc_boxes_and_proposals"])
def test_they_are_there_and_no_picture_is_in_both(layout, demo, tmp_path):
    data = find_data(layout, str(demo), None, None, tmp_path)
    train, test = pictures_of(data)
    assert (len(train), len(test)) == SCENES and data.test_images == len(test)
    assert all(file.is_file() for file in (*train, *test)) and not set(train) & set(test)
    assert SOURCES.get(layout, "JPEGImages") in str(train[0])


def test_of_splits_all_are_trained_on(demo, tmp_path):
    data = find_data("coco", str(demo), None, 2, tmp_path)
    train, _ = pictures_of(data)
    assert data.train_images == 2 and len(train) == 10  # five splits that share none


def test_without_those_that_are_left_out(demo, tmp_path):
    data = find_data("voc_masks", str(demo), None, None, tmp_path)
    train, test = pictures_of(data)
    torn = f"JPEGImages/{test[0].name}"
    assert pictures_of(replace(data, left_out={"val": [torn]})) == (train, test[1:])
