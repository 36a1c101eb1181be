"""Mask R-CNN FPN on five splits of 1,000 COCO images (OSS A.7, Table 14).

MMDetection's Mask R-CNN R50-FPN with the backbone and the neck's input channels changed: stem and res2
frozen, batch norm with fixed statistics, no norm in the FPN. Its training pictures, their sizes, aspect-ratio
batches, 2,000/1,000 proposals and warm-up are MMDetection's own.

Ours: ``bash tools/run_transfer.sh coco_lowshot_1k work_dirs/RUN/last.pth --data-root data``
MMDetection's: ``tools/train.py configs/transfer/mmdet/coco_lowshot_1k.py --launcher pytorch``, on four GPUs

Cost: five seeds of 740 epochs of 63 steps, 16 images a step, and a test on val2017's 5,000 images.
Published: AP50 of box and mask, mean and standard deviation of the five splits; only as a figure.
Measured here: not measured.
"""

_base_ = [
    "mmdet::_base_/models/mask-rcnn_r50_fpn.py",
    "mmdet::_base_/datasets/coco_instance.py",
    "mmdet::_base_/schedules/schedule_1x.py",
    "mmdet::_base_/default_runtime.py",
]
custom_imports = dict(imports=["transfer.frameworks.mmdet.adapter"], allow_failed_imports=False)
benchmark = dict(
    title="COCO, 1,000 training images: Mask R-CNN FPN",
    source="OSS A.7",
    data="coco",
    seeds=5,
    split_size=1_000,
    headline="segm_AP50",
    smoke="smoke/mask_rcnn.py",
)

model = dict(
    backbone=dict(
        _delete_=True,
        type="DistilledBackbone",
        arch="resnet18",
        weights=None,
        frozen_stages=1,
        norm_eval=True,
        norm="BN",
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
train_dataloader = dict(batch_size=4)  # on each of four GPUs
train_cfg = dict(max_epochs=740, val_interval=740)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", begin=0, end=740, by_epoch=True, milestones=[500, 660], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(interval=20, max_keep_ckpts=2))
