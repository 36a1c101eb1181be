"""VOC pictures and boxes in Detectron2's form, and VOC's metrics on its predictions."""

import copy

import torch
from detectron2.data import build_detection_test_loader, build_detection_train_loader
from detectron2.data import transforms as T
from detectron2.data.detection_utils import annotations_to_instances, transform_instance_annotations
from detectron2.data.samplers import TrainingSampler
from detectron2.evaluation import DatasetEvaluator
from detectron2.structures import BoxMode
from detectron2.utils import comm

from distill.data.images import read_rgb
from transfer.datasets.voc import VocImage
from transfer.datasets.voc_ap import evaluate
from transfer.jobs.job import Job


def records(images: list[VocImage], classes: tuple[str, ...]) -> list[dict]:
    """Detectron2's dataset dicts; pixels counted from 1, last included, become edges counted from 0."""
    return [
        {
            "file_name": str(image.path),
            "image_id": image.name,
            "height": image.height,
            "width": image.width,
            "annotations": [
                {
                    "category_id": classes.index(item.name),
                    "bbox": [item.box[0] - 1, item.box[1] - 1, item.box[2], item.box[3]],
                    "bbox_mode": BoxMode.XYXY_ABS,
                }
                for item in image.objects
            ],
        }
        for image in images
    ]


class Mapper:
    """Reads a record's picture (RGB, 0-255), resizes and, when training, flips it with its boxes."""

    def __init__(self, augmentations: list, train: bool):
        self.augmentations = T.AugmentationList(augmentations)
        self.train = train

    def __call__(self, record: dict) -> dict:
        record = copy.deepcopy(record)
        boxes = record.pop("annotations")
        given = T.AugInput(read_rgb(record["file_name"]))
        transforms = self.augmentations(given)
        record["image"] = torch.from_numpy(given.image.transpose(2, 0, 1).copy())
        if self.train:
            size = given.image.shape[:2]
            moved = [transform_instance_annotations(box, transforms, size) for box in boxes]
            instances = annotations_to_instances(moved, size)
            record["instances"] = instances[instances.gt_boxes.nonempty()]
        return record


def train_loader(job: Job, images: list[VocImage], seed: int):
    """An endless loader; pictures without a box are left out, as Detectron2 does by default."""
    found = [record for record in records(images, job.classes) if record["annotations"]]
    size = job.size
    resize = T.ResizeShortestEdge(size.train, size.longest, sample_style="choice")
    return build_detection_train_loader(
        found,
        mapper=Mapper([resize, T.RandomFlip(job.model["flip"])], train=True),
        sampler=TrainingSampler(len(found), shuffle=True, seed=seed),
        total_batch_size=job.schedule.batch,
        num_workers=job.workers,
    )


def test_loader(job: Job, images: list[VocImage]):
    """Goes once through the test pictures, one at a time."""
    resize = T.ResizeShortestEdge(job.size.test, job.size.longest)
    mapper = Mapper([resize], train=False)
    return build_detection_test_loader(records(images, job.classes), mapper=mapper, num_workers=job.workers)


class VocEvaluator(DatasetEvaluator):
    """Collects predictions from every process and measures them as ``transfer.datasets.voc_ap``."""

    def __init__(self, images: list[VocImage], classes: tuple[str, ...]):
        self.images, self.classes = images, classes
        self.reset()

    def reset(self) -> None:
        self.predictions: dict[str, list[tuple]] = {}

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        for record, output in zip(inputs, outputs, strict=True):
            found = output["instances"].to("cpu")
            boxes = found.pred_boxes.tensor.numpy() + [1, 1, 0, 0]  # back to pixels counted from 1
            rows = zip(found.pred_classes.tolist(), found.scores.tolist(), boxes, strict=True)
            self.predictions[record["image_id"]] = list(rows)

    def evaluate(self) -> dict | None:
        parts = comm.gather(self.predictions, dst=0)
        if not comm.is_main_process():
            return None
        merged = {name: rows for part in parts for name, rows in part.items()}
        return evaluate(self.images, self.classes, merged)
