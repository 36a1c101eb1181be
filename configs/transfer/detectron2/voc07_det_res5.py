"""Faster R-CNN C4 on VOC2007 as voc07_det, but the box head is the checkpoint's own res5.

Not the paper's text (OSS A.5 has a fresh bottleneck res5): all of the pretrained network is measured, and a norm
follows res5, as in MoCo's C4 detectors. Its scores and those of voc07_det do not belong in one table.

    tools/run_transfer.sh voc07_det_res5 work_dirs/RUN/last.pth --data-root data

or with Detectron2's own script:

    DETECTRON2_DATASETS=data python lazyconfig_train_net.py \
        --config-file configs/transfer/detectron2/voc07_det_res5.py model.backbone.weights=work_dirs/RUN/last.pth

Another network: model.backbone.arch, and the width of its res4 as model.proposal_generator.head.in_channels, of its
res5 as model.roi_heads.res5.out_channels.

Cost: 24,000 steps of 16 pictures; hours not measured.
Published: none. Ours: not measured.
"""

from detectron2.config import LazyCall as L

from transfer.frameworks.detectron2.adapter import own_res5

from .voc07_det import dataloader, lr_multiplier, model, optimizer, train  # noqa: F401

benchmark = dict(
    title="Detection, VOC 2007 (Faster R-CNN C4, own res5)",
    source="voc07_det with the checkpoint's own res5 as box head and MoCo's norm after it",
    data="voc_boxes",
    seeds=5,
    headline="AP",
    smoke="smoke/voc07_det_res5.py",
)
model.roi_heads.res5 = L(own_res5)(
    arch="${model.backbone.arch}",
    weights="${model.backbone.weights}",
    out_channels=512,
    frozen="${model.backbone.frozen}",
    norm="${model.backbone.norm}",
)
