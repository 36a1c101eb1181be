"""As voc07_det_res5's, and a box head of a quarter of the width."""

from .voc07_det_res5 import overrides as own_res5

benchmark = dict(seeds=1, source="a quick try, not the benchmark")

overrides = [
    *own_res5,
    "model.roi_heads.res5.bottleneck_channels=128",
    "model.roi_heads.res5.out_channels=512",
]
