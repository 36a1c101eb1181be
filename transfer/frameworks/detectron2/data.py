"""Data sets in this package's layouts for Detectron2's own loaders, and VOC's metrics on its predictions.

A lazy config names these functions with all their arguments: nothing has to be registered before it runs.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from detectron2.data import (
    DatasetCatalog,
    DatasetFromList,
    DatasetMapper,
    MapDataset,
    get_detection_dataset_dicts,
    load_proposals_into_dataset,
)
from detectron2.data.build import trivial_batch_collator
from detectron2.data.common import AspectRatioGroupedDataset
from detectron2.data.datasets import register_coco_instances
from detectron2.data.detection_utils import check_image_size, transform_proposals
from detectron2.data.samplers import TrainingSampler
from detectron2.data.transforms import AugInput
from detectron2.evaluation import DatasetEvaluator
from detectron2.structures import BoxMode
from detectron2.utils import comm
from torch.utils.data import BatchSampler

from distill.data.images import read_rgb, read_size
from transfer.datasets.boxes import find_boxes
from transfer.datasets.check import check_mask, check_size
from transfer.datasets.segmentation import read_classes
from transfer.datasets.voc_ap import evaluate
from transfer.jobs.steps import StepLoader


def voc_dicts(
    root: str,
    split: str,
    classes: Iterable[str],
    filter_empty: bool = True,
    proposals: str = "",
    left_out: Mapping[str, Sequence[str]] | None = None,
) -> list[dict]:
    """Detectron2's dataset dicts of a VOC split; pixels counted from 1, last included, become edges from 0.

    Args:
        filter_empty: leave out pictures without a box.
        proposals: file of the boxes that a Fast R-CNN is given.
        left_out: split -> names of pictures that are not taken.
    """
    classes = tuple(classes)
    found = [
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
        for image in find_boxes(root, classes, left_out).images(split)
    ]
    if filter_empty:
        found = [record for record in found if record["annotations"]]
    return load_proposals_into_dataset(found, proposals) if proposals else found


def coco_dicts(annotations: str, pictures: str, filter_empty: bool = True) -> list[dict]:
    """Detectron2's dataset dicts of a COCO annotation file, registered under the file's own name."""
    if annotations not in DatasetCatalog:
        register_coco_instances(annotations, {}, annotations, pictures)
    return get_detection_dataset_dicts(annotations, filter_empty=filter_empty)


def train_loader(
    dataset: list[dict],
    *,
    mapper: Callable[[dict], dict],
    total_batch_size: int,
    aspect_ratio_grouping: bool = True,
    num_workers: int = 0,
    seed: int = 0,
    first: int = 0,
) -> StepLoader:
    """In place of Detectron2's ``build_detection_train_loader``: the same batches, from step ``first`` on.

    Theirs groups pictures by their shape after they are read, and so must read all earlier ones again.
    """
    size = total_batch_size // comm.get_world_size()
    rows = TrainingSampler(len(dataset), seed=seed)
    batches = _of_one_shape(dataset, rows, size) if aspect_ratio_grouping else BatchSampler(rows, size, True)
    mapped = MapDataset(DatasetFromList(dataset, copy=False), mapper)
    options = {"num_workers": num_workers, "collate_fn": trivial_batch_collator}
    return StepLoader(mapped, batches, seed, comm.get_rank(), first, **options)


def _of_one_shape(dataset: list[dict], rows: Iterable[int], size: int) -> Iterable[list[int]]:
    """Batches of row numbers whose pictures are all wider than high, or all not."""
    sizes = [
        (each["width"], each["height"]) if "width" in each else read_size(each["file_name"])
        for each in dataset
    ]
    shapes = [{"row": row, "width": width, "height": height} for row, (width, height) in enumerate(sizes)]
    for batch in AspectRatioGroupedDataset((shapes[row] for row in rows), size):
        yield [each["row"] for each in batch]


class Mapper(DatasetMapper):
    """Detectron2's own, except that it reads pictures as this project does: an error names a broken one."""

    def __call__(self, dataset_dict: dict) -> dict:
        record = copy.deepcopy(dataset_dict)
        picture = read_rgb(record["file_name"])
        check_size(record["file_name"], picture, record.get("width"), record.get("height"))
        check_image_size(record, picture)  # which also notes the size where annotations do not give it
        mask = None
        if self.is_train and "sem_seg_file_name" in record:
            mask = read_classes(record["sem_seg_file_name"], record["label_map"], record["classes"])
            check_mask(record["sem_seg_file_name"], mask, picture.shape[:2])
        given = AugInput(picture if self.image_format == "RGB" else picture[:, :, ::-1], sem_seg=mask)
        transforms = self.augmentations(given)
        record["image"] = torch.from_numpy(np.ascontiguousarray(given.image.transpose(2, 0, 1)))
        if given.sem_seg is not None:
            record["sem_seg"] = torch.from_numpy(given.sem_seg.astype(np.int64))
        if self.proposal_topk is not None:
            transform_proposals(record, given.image.shape[:2], transforms, proposal_topk=self.proposal_topk)
        if not self.is_train:
            record.pop("annotations", None)
        elif "annotations" in record:
            if any(isinstance(item.get("segmentation"), dict) for item in record["annotations"]):
                self.instance_mask_format = "bitmask"  # run lengths are no polygons
            self._transform_annotations(record, transforms, given.image.shape[:2])
        return record


class VocEvaluator(DatasetEvaluator):
    """Collects predictions from every process and measures them by ``transfer.datasets.voc_ap``."""

    def __init__(
        self,
        root: str,
        split: str,
        classes: Iterable[str],
        left_out: Mapping[str, Sequence[str]] | None = None,
    ):
        self.classes = tuple(classes)
        self.images = find_boxes(root, self.classes, left_out).images(split)
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
        """Metrics as of ``voc_ap.evaluate`` in the main process, None in the others."""
        parts = comm.gather(self.predictions, dst=0)
        if not comm.is_main_process():
            return None
        merged = {name: rows for part in parts for name, rows in part.items()}
        return evaluate(self.images, self.classes, merged)
