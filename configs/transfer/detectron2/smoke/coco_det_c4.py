"""A Mask R-CNN C4 small enough to learn the demo scenes in about a minute on two CPU cores."""

from .voc07_det_res5 import overrides as faster_rcnn

benchmark = dict(seeds=1, source="a quick try, not the benchmark")

overrides = [
    *(override for override in faster_rcnn if not override.startswith("train.precise_bn")),
    "dataloader.train.mapper.instance_mask_format=bitmask",  # the demo's masks are run-length encoded
    "model.roi_heads.mask_head.conv_dims=[64]",
]
