"""Pictures with a class number for every pixel, for Detectron2's own loaders and its own mIoU."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import SemSegEvaluator

from transfer.datasets.segmentation import IGNORE, find_segmentation, read_classes


def mask_dicts(
    root: str,
    layout: str,
    split: str,
    classes: Iterable[str],
    left_out: Mapping[str, Sequence[str]] | None = None,
) -> list[dict]:
    """Detectron2's dataset dicts of a split of ``transfer.datasets.segmentation``.

    Args:
        left_out: split -> names of pictures that are not taken.
    """
    classes = tuple(classes)
    found = find_segmentation(root, layout, classes, left_out)
    return [
        {
            "file_name": str(picture),
            "image_id": number,
            "sem_seg_file_name": str(mask),
            "label_map": found.label_map,
            "classes": len(classes),  # how many there may be in the mask
        }
        for number, (picture, mask) in enumerate(found.pairs(split))
    ]


class MaskEvaluator(SemSegEvaluator):
    """Detectron2's mIoU, on masks of any layout there is."""

    def __init__(
        self,
        root: str,
        layout: str,
        split: str,
        classes: Iterable[str],
        left_out: Mapping[str, Sequence[str]] | None = None,
    ):
        classes = list(classes)
        name = f"{root} {layout} {split} {', '.join(classes)} {left_out or ''}"
        if name not in DatasetCatalog:
            DatasetCatalog.register(name, partial(mask_dicts, root, layout, split, classes, left_out))
            MetadataCatalog.get(name).set(stuff_classes=classes, ignore_label=IGNORE)
        label_map = find_segmentation(root, layout, tuple(classes)).label_map
        super().__init__(
            name,
            sem_seg_loading_fn=lambda path, dtype: read_classes(path, label_map, len(classes)).astype(dtype),
        )
        self._compute_boundary_iou = False  # it costs more than the rest, and no row has it

    def encode_json_sem_seg(self, sem_seg: np.ndarray, input_file_name: str) -> list[dict]:
        return []  # nobody reads the predictions
