"""The settings of ``coco_lowshot_1k`` and ``coco_lowshot_10k``."""

from transfer.benchmarks.protocol import ImageSize, Protocol
from transfer.benchmarks.schedule import EpochSchedule, Schedule
from transfer.datasets.coco import FOLDS

_SIZE = ImageSize(train=(800,), test=800, longest=1333)
_MODEL = {
    "channels": 256,
    "fc": 1_024,
    "mask_convs": 4,
    "anchor_scale": 8,
    "finest_scale": 56,
    "rois": 512,
    "proposals": 1_000,
    "flip": 0.5,
}
_SMOKE = {
    "schedule": Schedule(batch=4, lr=1e-3, steps=160, milestones=(130,), warmup=15),
    "optimizer": "AdamW",
    "size": ImageSize(train=(128,), test=128, longest=160),
    "split_size": 24,
    "model": {
        "channels": 64,
        "fc": 256,
        "mask_convs": 2,
        "anchor_scale": 4,
        "finest_scale": 14,
        "rois": 64,
        "proposals": 50,
        "flip": 0.0,
    },
}
_SOURCE = "OSS A.7; warm-up and heads are MMDetection's defaults for Mask R-CNN R50-FPN"

LOWSHOT_1K = Protocol(
    name="coco_lowshot_1k",
    framework="mmdet",
    schedule=EpochSchedule(batch=16, lr=0.02, epochs=740, milestones=(500, 660), warmup=500),
    images_per_gpu=4,
    weight_decay=1e-4,
    size=_SIZE,
    seeds=FOLDS,
    source=_SOURCE,
    split_size=1_000,
    model=_MODEL,
    smoke=_SMOKE,
)

LOWSHOT_10K = Protocol(
    name="coco_lowshot_10k",
    framework="mmdet",
    schedule=EpochSchedule(batch=16, lr=0.02, epochs=296, milestones=(200, 264), warmup=500),
    images_per_gpu=4,
    weight_decay=1e-4,
    size=_SIZE,
    seeds=FOLDS,
    source=_SOURCE,
    split_size=10_000,
    model=_MODEL,
    smoke=_SMOKE,
)
