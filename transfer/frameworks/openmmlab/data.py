"""Pictures, and masks in any of this package's layouts, for the frameworks' own transforms."""

from collections.abc import Mapping, Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, TRANSFORMS

from distill.data.images import read_rgb
from transfer.datasets.check import check_mask, check_size
from transfer.datasets.segmentation import find_segmentation, read_classes


@TRANSFORMS.register_module()
class ReadPicture(BaseTransform):
    """``img_path`` -> ``img``, read as everywhere in this project, in BGR like the frameworks' own loader.

    A broken picture, or one of another size than its annotations say, ends the run with its name.
    """

    def transform(self, results: dict) -> dict:
        image = np.ascontiguousarray(read_rgb(results["img_path"])[:, :, ::-1])
        shape = image.shape[:2]
        check_size(results["img_path"], image, results.get("width"), results.get("height"))
        return {**results, "img": image, "img_shape": shape, "ori_shape": shape}


@TRANSFORMS.register_module()
class ReadMask(BaseTransform):
    """``seg_map_path`` -> ``gt_seg_map``, as MMSegmentation's ``LoadAnnotations``; errors name the mask."""

    def transform(self, results: dict) -> dict:
        mask = read_classes(results["seg_map_path"], results["label_map"], results["classes"])
        check_mask(results["seg_map_path"], mask, results["ori_shape"])
        return {**results, "gt_seg_map": mask, "seg_fields": [*results["seg_fields"], "gt_seg_map"]}


@DATASETS.register_module()
class SegmentationPairs(BaseDataset):
    """The pictures and masks of one split, found as ``transfer.datasets.segmentation`` finds them.

    Args:
        left_out: split -> names of the pictures that are not taken.
        pipeline: the framework's own. ``ReadMask`` takes the place of its ``LoadAnnotations`` here and not in
            the config, by whose hash rows are known.
    """

    def __init__(
        self,
        layout: str,
        split: str,
        classes: tuple[str, ...],
        data_root: str,
        pipeline: Sequence[dict],
        left_out: Mapping[str, Sequence[str]] | None = None,
        **options,
    ):
        found = find_segmentation(data_root, layout, tuple(classes), left_out)
        self.pairs = found.pairs(split)
        self.label_map = found.label_map
        steps = [{"type": "ReadMask"} if step["type"] == "LoadAnnotations" else step for step in pipeline]
        super().__init__(metainfo={"classes": tuple(classes)}, pipeline=steps, **options)

    def load_data_list(self) -> list[dict]:
        common = {
            "label_map": self.label_map,
            "reduce_zero_label": False,
            "classes": len(self.metainfo["classes"]),
        }
        return [
            {"img_path": str(picture), "seg_map_path": str(mask), "seg_fields": [], **common}
            for picture, mask in self.pairs
        ]
