"""Reading for MMDetection and MMSegmentation: pictures and masks by Pillow, broken files named."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, TRANSFORMS

from distill.data.images import read_rgb
from transfer.datasets.segmentation import find_segmentation, read_mask


@TRANSFORMS.register_module()
class ReadPicture(BaseTransform):
    """``img_path`` -> ``img`` in BGR, the order that these frameworks' own loader gives."""

    def transform(self, results: dict) -> dict:
        image = np.ascontiguousarray(read_rgb(results["img_path"])[:, :, ::-1])
        shape = image.shape[:2]
        return {**results, "img": image, "img_shape": shape, "ori_shape": shape}


@TRANSFORMS.register_module()
class ReadMask(BaseTransform):
    """``seg_map_path`` -> ``gt_seg_map``, class numbers; ``table`` maps 256 file values to them."""

    def __init__(self, table: tuple[int, ...] | None = None):
        self.table = None if table is None else np.array(table, dtype=np.uint8)

    def transform(self, results: dict) -> dict:
        mask = read_mask(results["seg_map_path"])
        mask = mask if self.table is None else self.table[mask]
        return {**results, "gt_seg_map": mask, "seg_fields": [*results["seg_fields"], "gt_seg_map"]}


@DATASETS.register_module()
class SegmentationPairs(BaseDataset):
    """The pictures and masks of one split, found as ``transfer.datasets.segmentation`` finds them."""

    def __init__(self, benchmark: str, split: str, classes: tuple[str, ...], data_root: str, **options):
        self.pairs = find_segmentation(data_root, benchmark, tuple(classes)).pairs(split)
        super().__init__(metainfo={"classes": tuple(classes)}, **options)

    def load_data_list(self) -> list[dict]:
        common = {"label_map": None, "reduce_zero_label": False}
        return [
            {"img_path": str(picture), "seg_map_path": str(mask), "seg_fields": [], **common}
            for picture, mask in self.pairs
        ]
