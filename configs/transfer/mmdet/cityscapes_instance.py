"""Mask R-CNN FPN on Cityscapes (OSS A.7, Table 13), trained on gtFine ``train``, tested on ``val``.

MMDetection's Mask R-CNN R50-FPN with the backbone and the neck's input channels changed: stem and res2
frozen, batch norm with fixed statistics, no norm in the FPN. Its training pictures and their sizes are
MMDetection's own, and so is its epoch, which goes eight times through the pictures. The paper does not state
the length: 12 epochs is our reading, MMDetection's schedule with the paper's milestones, 8 and 11.

Ours: ``bash tools/run_transfer.sh cityscapes_instance work_dirs/RUN/last.pth --data-root data``
MMDetection's: ``tools/train.py configs/transfer/mmdet/cityscapes_instance.py --launcher pytorch``, on four
GPUs, which wants annotation files (cityscapesScripts makes them); ours reads the masks

Cost: five seeds of 12 epochs of 2,975 steps, 8 images a step.
Published: 58.3 mask AP50 (OSS, ResNet-18), 57.0 supervised.
Measured here: not measured.
"""

_base_ = [
    "mmdet::_base_/models/mask-rcnn_r50_fpn.py",
    "mmdet::_base_/datasets/cityscapes_instance.py",
    "mmdet::_base_/schedules/schedule_1x.py",
    "mmdet::_base_/default_runtime.py",
]
custom_imports = dict(imports=["transfer.frameworks.mmdet.adapter"], allow_failed_imports=False)
benchmark = dict(
    title="Cityscapes instances: Mask R-CNN FPN",
    source="OSS A.7; 12 epochs are our reading",
    data="cityscapes_instances",
    seeds=5,
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
    roi_head=dict(bbox_head=dict(num_classes=8), mask_head=dict(num_classes=8)),
)
train_dataloader = dict(batch_size=2)  # on each of four GPUs
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
# COCO's AP50; Cityscapes' own metric beside it would need cityscapesScripts
val_evaluator = dict(
    _delete_=True,
    type="CocoMetric",
    ann_file="data/cityscapes/annotations/instancesonly_filtered_gtFine_val.json",
    metric=["bbox", "segm"],
)
test_evaluator = val_evaluator
