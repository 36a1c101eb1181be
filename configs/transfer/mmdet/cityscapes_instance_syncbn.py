"""``cityscapes_instance`` as self-supervised backbones are usually fine-tuned: nothing frozen, SyncBN.

SyncBN in the backbone and in the FPN, as in MoCo's detection runs (He et al. 2020); all else as in
``cityscapes_instance`` (OSS A.7). Another setting than the paper's text: never in one table with it.

Ours: ``bash tools/run_transfer.sh cityscapes_instance_syncbn work_dirs/RUN/last.pth --data-root data``
MMDetection's: ``tools/train.py configs/transfer/mmdet/cityscapes_instance_syncbn.py --launcher pytorch``

Cost: five seeds of 12 epochs of 2,975 steps, 8 images a step.
Published: nothing with these settings.
Measured here: not measured.
"""

_base_ = "./cityscapes_instance.py"
benchmark = dict(
    title="Cityscapes instances: Mask R-CNN FPN, SyncBN, nothing frozen",
    source="OSS A.7, with SyncBN and nothing frozen; 12 epochs are our reading",
    data="cityscapes_instances",
    seeds=5,
    headline="segm_AP50",
    smoke="smoke/mask_rcnn.py",
)

model = dict(
    backbone=dict(frozen_stages=-1, norm_eval=False, norm="SyncBN"),
    neck=dict(norm_cfg=dict(type="SyncBN", requires_grad=True)),
)
