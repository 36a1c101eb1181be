"""``coco_lowshot_10k`` as self-supervised backbones are usually fine-tuned: nothing frozen, SyncBN.

SyncBN in the backbone and in the FPN, as in MoCo's detection runs (He et al. 2020); all else as in
``coco_lowshot_10k`` (OSS A.7). Another setting than the paper's text: never in one table with it.

Ours: ``bash tools/run_transfer.sh coco_lowshot_10k_syncbn work_dirs/RUN/last.pth --data-root data``
MMDetection's: ``tools/train.py configs/transfer/mmdet/coco_lowshot_10k_syncbn.py --launcher pytorch``

Cost: five seeds of 296 epochs of 625 steps, 16 images a step, and a test on val2017's 5,000 images.
Published: nothing with these settings.
Measured here: not measured.
"""

_base_ = "./coco_lowshot_10k.py"
benchmark = dict(
    title="COCO, 10,000 training images: Mask R-CNN FPN, SyncBN, nothing frozen",
    source="OSS A.7, with SyncBN and nothing frozen",
    data="coco",
    seeds=5,
    split_size=10_000,
    headline="segm_AP50",
    smoke="smoke/mask_rcnn.py",
)

model = dict(
    backbone=dict(frozen_stages=-1, norm_eval=False, norm="SyncBN"),
    neck=dict(norm_cfg=dict(type="SyncBN", requires_grad=True)),
)
