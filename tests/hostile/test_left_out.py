"""What is left out of data is not seen by a framework; what is met later ends its loading."""

import pytest

from distill.errors import UserError
from tests.hostile.annotations import HEIGHT, MANY, WIDTH, torn, write_mask
from transfer import run
from transfer.benchmark import find_benchmark
from transfer.datasets.segmentation import find_segmentation
from transfer.matrix.plan import make_plan


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
