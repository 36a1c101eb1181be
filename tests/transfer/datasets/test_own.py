"""A plan of all benchmarks gives none of them the data of another."""

import shutil

import pytest

from distill.demo.world import write_demo
from distill.errors import UserError
from transfer.datasets.find import LAYOUTS, find_data
from transfer.datasets.own import check_own


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(2, 2))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_found_beside_the_others(layout, demo):
    check_own(layout, str(demo))


@pytest.mark.parametrize(
    ("there", "layout", "wanted"),
    [
        ("coco", "voc_boxes", "no VOC2007 detection data .* ImageSets/Main/trainval.txt"),
        ("coco", "cityscapes_instances", "no Cityscapes data .* gtFine/train"),
        ("cityscapes", "coco", "no annotation file of train .* annotations/instances_train2017.json"),
        ("cityscapes", "voc_masks", "no VOC2012 segmentation data .* SegmentationClass"),
        ("voc", "cityscapes_masks", "no Cityscapes data .* leftImg8bit/train"),
    ],
)
def test_another_of_its_kind_is_not_its_own(there, layout, wanted, demo, tmp_path):
    shutil.copytree(demo / there, tmp_path / there)
    find_data(layout, str(tmp_path), None, None, tmp_path / "out")  # by name, the benchmark takes it
    with pytest.raises(UserError, match=wanted):
        check_own(layout, str(tmp_path))


def test_plain_folders_are_anyones(tmp_path):
    for folder in ("img/train", "img/val", "ann/train", "ann/val"):
        (tmp_path / folder).mkdir(parents=True)
    check_own("voc_masks", str(tmp_path))
    check_own("cityscapes_masks", str(tmp_path))
