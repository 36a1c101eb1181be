"""Pictures and masks in any of this package's layouts, for MMSegmentation's own transforms."""

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from transfer.datasets.segmentation import find_segmentation


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
