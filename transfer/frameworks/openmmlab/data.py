"""Pictures, and masks in any of this package's layouts, for the frameworks' own transforms."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, TRANSFORMS

from distill.data.images import read_rgb
from transfer.datasets.segmentation import find_segmentation


@TRANSFORMS.register_module()
class ReadPicture(BaseTransform):
    """``img_path`` -> ``img``, read as everywhere in this project, in BGR like the frameworks' own loader.

    A broken picture ends the run with an error that names it.
    """

    def transform(self, results: dict) -> dict:
        image = np.ascontiguousarray(read_rgb(results["img_path"])[:, :, ::-1])
        shape = image.shape[:2]
        return {**results, "img": image, "img_shape": shape, "ori_shape": shape}


@DATASETS.register_module()
class SegmentationPairs(BaseDataset):
    """The pictures and masks of one split, found as ``transfer.datasets.segmentation`` finds them."""

    def __init__(self, layout: str, split: str, classes: tuple[str, ...], data_root: str, **options):
        found = find_segmentation(data_root, layout, tuple(classes))
        self.pairs = found.pairs(split)
        self.label_map = found.label_map
        super().__init__(metainfo={"classes": tuple(classes)}, **options)

    def load_data_list(self) -> list[dict]:
        common = {"label_map": self.label_map, "reduce_zero_label": False}
        return [
            {"img_path": str(picture), "seg_map_path": str(mask), "seg_fields": [], **common}
            for picture, mask in self.pairs
        ]
