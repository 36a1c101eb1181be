"""The settings of ``cityscapes_seg``."""

from transfer.benchmarks.protocol import SEGMENTATION, SEGMENTATION_SMOKE, ImageSize, Protocol
from transfer.benchmarks.schedule import Schedule

CITYSCAPES_SEG = Protocol(
    name="cityscapes_seg",
    framework="mmseg",
    # The length is not published: 40k steps is MMSegmentation's shortest schedule for Cityscapes.
    schedule=Schedule(batch=16, lr=5e-3, steps=40_000, end_lr=1e-4),
    images_per_gpu=4,
    weight_decay=5e-4,
    size=ImageSize(train=(1024,), test=1024, longest=2048, crop=(512, 1024)),
    seeds=1,
    source="OSS A.6; steps, last rate and output stride 8 are MMSegmentation's (fcn_r18-d8)",
    model=SEGMENTATION,
    smoke=SEGMENTATION_SMOKE,
)
