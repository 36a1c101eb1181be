"""The settings of ``voc07_det`` and ``voc12_seg``."""

from transfer.benchmarks.protocol import SEGMENTATION, SEGMENTATION_SMOKE, ImageSize, Protocol
from transfer.benchmarks.schedule import Schedule

VOC07_DET = Protocol(
    name="voc07_det",
    framework="detectron2",
    schedule=Schedule(batch=16, lr=0.02, steps=24_000, milestones=(18_000, 22_000), warmup=100),
    images_per_gpu=2,
    weight_decay=1e-4,
    size=ImageSize(train=tuple(range(480, 801, 32)), test=800, longest=1333),
    seeds=5,
    source="OSS A.5, with MoCo's VOC configuration (He et al. 2020) for what it leaves open",
    model={
        "anchor_sizes": (32, 64, 128, 256, 512),
        "rois": 512,
        "proposals": 1_000,
        "pooler": 14,
        "flip": 0.5,
        "precise_bn": 200,
    },
    smoke={
        "schedule": Schedule(batch=4, lr=0.02, steps=90, milestones=(75,), warmup=10),
        "size": ImageSize(train=(128,), test=128, longest=160),
        "model": {
            "anchor_sizes": (16, 24, 36, 54),
            "rois": 32,
            "proposals": 60,
            "pooler": 7,
            "flip": 0.0,
            "precise_bn": 0,
        },
    },
)

VOC12_SEG = Protocol(
    name="voc12_seg",
    framework="mmseg",
    # The length is not published: 20k steps is MMSegmentation's shortest schedule for VOC2012.
    schedule=Schedule(batch=16, lr=1e-2, steps=20_000, end_lr=1e-4),
    images_per_gpu=4,
    weight_decay=5e-4,
    size=ImageSize(train=(512,), test=512, longest=2048, crop=(512, 512)),
    seeds=5,
    source="OSS A.6; steps and output stride 8 are MMSegmentation's (fcn_r18-d8)",
    model=SEGMENTATION,
    smoke=SEGMENTATION_SMOKE,
)
