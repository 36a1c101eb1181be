"""Mask R-CNN FPN on five splits of 10,000 COCO images (OSS A.7, Table 14).

``coco_lowshot_1k`` but for its length and its splits.

Ours: ``bash tools/run_transfer.sh coco_lowshot_10k work_dirs/RUN/last.pth --data-root data``
MMDetection's: ``tools/train.py configs/transfer/mmdet/coco_lowshot_10k.py --launcher pytorch``, on four GPUs

Cost: five seeds of 296 epochs of 625 steps, 16 images a step, and a test on val2017's 5,000 images.
Published: AP50 of box and mask, mean and standard deviation of the five splits; only as a figure.
Measured here: not measured.
"""

_base_ = "./coco_lowshot_1k.py"
benchmark = dict(
    title="COCO, 10,000 training images: Mask R-CNN FPN",
    source="OSS A.7",
    data="coco",
    seeds=5,
    split_size=10_000,
    headline="segm_AP50",
    smoke="smoke/mask_rcnn.py",
)

train_cfg = dict(max_epochs=296, val_interval=296)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", begin=0, end=296, by_epoch=True, milestones=[200, 264], gamma=0.1),
]
