"""Pictures with a class number for every pixel, for Detectron2's own loaders and its own mIoU."""

from collections.abc import Iterable
from functools import partial

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import SemSegEvaluator

from transfer.datasets.segmentation import IGNORE, find_segmentation, read_classes


def mask_dicts(root: str, layout: str, split: str, classes: Iterable[str]) -> list[dict]:
    """Detectron2's dataset dicts of a split of ``transfer.datasets.segmentation``."""
    found = find_segmentation(root, layout, tuple(classes))
    return [
        {
            "file_name": str(picture),
            "image_id": number,
            "sem_seg_file_name": str(mask),
            "label_map": found.label_map,
        }
        for number, (picture, mask) in enumerate(found.pairs(split))
    ]


class MaskEvaluator(SemSegEvaluator):
    """Detectron2's mIoU, on masks of any layout there is."""

    def __init__(self, root: str, layout: str, split: str, classes: Iterable[str]):
        classes = list(classes)
        name = f"{root} {layout} {split} {', '.join(classes)}"
        if name not in DatasetCatalog:
            DatasetCatalog.register(name, partial(mask_dicts, root, layout, split, classes))
            MetadataCatalog.get(name).set(stuff_classes=classes, ignore_label=IGNORE)
        label_map = find_segmentation(root, layout, tuple(classes)).label_map
        super().__init__(
            name, sem_seg_loading_fn=lambda path, dtype: read_classes(path, label_map).astype(dtype)
        )
        self._compute_boundary_iou = False  # it costs more than the rest, and no row has it

    def encode_json_sem_seg(self, sem_seg: np.ndarray, input_file_name: str) -> list[dict]:
        return []  # nobody reads the predictions
