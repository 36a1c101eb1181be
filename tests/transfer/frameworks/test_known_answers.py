"""Perfect predictions are 100 % in every metric of every way to measure, and those of a wrong class are not.

The data sets and the evaluators are those of a filled benchmark, on the demo scenes.
"""

import importlib

import pytest
import torch
from torch.nn.functional import one_hot

from distill.demo.scenes import DIGITS
from distill.demo.world import write_demo
from transfer import run
from transfer.benchmark import find_benchmark
from transfer.datasets.find import find_data
from transfer.jobs.initial import Initial
from transfer.jobs.job import make_run
from transfer.matrix.plan import make_jobs


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo"), n_classification=(10, 10), n_scenes=(30, 4))


@pytest.fixture
def filled(demo, tmp_path):
    """The benchmark's filled config, read from its file by the framework's own reader."""

    def read(name: str):
        benchmark = find_benchmark(name)
        pytest.importorskip(benchmark.framework, reason=f"{benchmark.framework} is not installed")
        data = find_data(benchmark.data, str(demo), None, 2 if benchmark.split_size else None, tmp_path)
        initial = Initial("random", "r", "test_resnet", "", "", (0.5,) * 3, (0.25,) * 3)
        given = run.parser().parse_args([name, "x", "--work-dir", str(tmp_path)])
        (job,) = make_jobs(benchmark, given, {}, initial, data, [0], gpus=0)
        fill = importlib.import_module(f"transfer.frameworks.{benchmark.framework}.fill")
        whole = make_run(job, fill.fill)
        file = whole.save().with_name(whole.filled.file)
        if benchmark.framework == "detectron2":
            from detectron2.config import LazyConfig

            return LazyConfig.load(str(file))
        from mmengine.config import Config

        return Config.fromfile(file)

    return read


# --- Detectron2 ----------------------------------------------------------------------------------------


def in_detectron2(cfg, predict) -> dict[str, float]:
    """The metrics of ``predict(record of a picture) -> output`` over the test pictures."""
    from detectron2.config import instantiate

    from transfer.frameworks.detectron2.trainer import flat

    records = instantiate(cfg.dataloader.test.dataset)
    evaluator = instantiate(cfg.dataloader.evaluator)
    evaluator.reset()
    for record in records:
        evaluator.process([record], [predict(record)])
    return flat(evaluator.evaluate())


def instances(record: dict, shift: int) -> dict:
    """The objects of a picture as a detector finds them; ``shift`` changes their class."""
    from detectron2.structures import Boxes, BoxMode, Instances
    from pycocotools.mask import decode

    things, size = record["annotations"], (record["height"], record["width"])
    boxes = [BoxMode.convert(item["bbox"], item["bbox_mode"], BoxMode.XYXY_ABS) for item in things]
    found = Instances(size)
    found.pred_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    found.pred_classes = torch.tensor([(item["category_id"] + shift) % len(DIGITS) for item in things])
    found.scores = torch.ones(len(things))
    if all("segmentation" in item for item in things):
        masks = [decode(item["segmentation"]) for item in things]  # run-length encoded
        found.pred_masks = torch.stack([torch.from_numpy(mask).bool() for mask in masks])
    return {"instances": found}


@pytest.mark.parametrize(("name", "metrics"), [("voc07_det", 6), ("coco_det", 6)])
def test_a_perfect_detector_in_detectron2(name, metrics, filled):
    cfg = filled(name)
    perfect = in_detectron2(cfg, lambda record: instances(record, shift=0))
    assert len(perfect) == metrics and list(perfect.values()) == pytest.approx([100.0] * metrics)
    assert max(in_detectron2(cfg, lambda record: instances(record, shift=1)).values()) < 50


def test_a_perfect_segmenter_in_detectron2(filled):
    from transfer.datasets.segmentation import read_classes

    cfg = filled("cityscapes_seg_d2")

    def predict(record: dict, shift: int) -> dict:
        truth = torch.from_numpy(read_classes(record["sem_seg_file_name"], record["label_map"], 19)).long()
        right = (truth + shift) % 19  # ignored pixels become some class
        return {"sem_seg": one_hot(right, 19).permute(2, 0, 1)}

    perfect = in_detectron2(cfg, lambda record: predict(record, shift=0))
    assert perfect == pytest.approx({"mIoU": 100.0, "aAcc": 100.0, "mAcc": 100.0})
    assert max(in_detectron2(cfg, lambda record: predict(record, shift=1)).values()) < 50


# --- OpenMMLab -----------------------------------------------------------------------------------------


def in_openmmlab(config, scope: str, predict) -> dict[str, float]:
    """The metrics of ``predict(sample)``, which adds predictions to a test sample with its truth."""
    from mmengine.evaluator import Evaluator
    from mmengine.registry import DATASETS, DefaultScope

    read_metrics = importlib.import_module(f"transfer.frameworks.{scope}.trainer").read_metrics
    with DefaultScope.overwrite_default_scope(scope):
        data = DATASETS.build(config.test_dataloader.dataset)
        evaluator = Evaluator(config.test_evaluator)
        evaluator.dataset_meta = data.metainfo
        for item in data:
            sample = item["data_samples"]
            predict(sample)
            evaluator.process(data_samples=[sample], data_batch=None)
        return read_metrics(evaluator.evaluate(len(data)))


def test_a_perfect_detector_in_mmdet(filled):
    config = filled("coco_lowshot_1k")

    def predict(sample, shift: int) -> None:
        from mmengine.structures import InstanceData

        truth = sample.gt_instances
        sample.pred_instances = InstanceData(
            bboxes=truth.bboxes.tensor if hasattr(truth.bboxes, "tensor") else truth.bboxes,
            labels=(truth.labels + shift) % len(DIGITS),
            scores=torch.ones(len(truth.labels)),
            masks=torch.from_numpy(truth.masks.to_ndarray()).bool(),
        )

    perfect = in_openmmlab(config, "mmdet", lambda sample: predict(sample, shift=0))
    assert len(perfect) == 6 and list(perfect.values()) == pytest.approx([100.0] * 6)
    assert max(in_openmmlab(config, "mmdet", lambda sample: predict(sample, shift=1)).values()) < 50


@pytest.mark.parametrize(("name", "classes"), [("voc12_seg", 11), ("cityscapes_seg", 19)])
def test_a_perfect_segmenter_in_mmseg(name, classes, filled):
    config = filled(name)

    def predict(sample, shift: int) -> None:
        from mmengine.structures import PixelData

        right = sample.gt_sem_seg.data % 255  # ignored pixels become some class
        sample.pred_sem_seg = PixelData(data=(right + shift) % classes)

    perfect = in_openmmlab(config, "mmseg", lambda sample: predict(sample, shift=0))
    assert perfect == pytest.approx({"mIoU": 100.0, "aAcc": 100.0, "mAcc": 100.0})
    assert max(in_openmmlab(config, "mmseg", lambda sample: predict(sample, shift=1)).values()) < 50
