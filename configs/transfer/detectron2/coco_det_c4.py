"""Mask R-CNN C4 on COCO with a ResNet-18, as coco_det.

Detectron2's mask_rcnn_c4 and 1x schedule; the box head is the checkpoint's own res5 with a norm after it, as in
MoCo's C4 detectors; nothing frozen, SyncBN, RGB pixels.

    tools/run_transfer.sh coco_det_c4 work_dirs/RUN/last.pth --data-root data

or with Detectron2's own script:

    DETECTRON2_DATASETS=data python lazyconfig_train_net.py \
        --config-file configs/transfer/detectron2/coco_det_c4.py model.backbone.weights=work_dirs/RUN/last.pth

Another network: model.backbone.arch, and the width of its res4 as model.proposal_generator.head.in_channels, of its
res5 as model.roi_heads.res5.out_channels.

Cost: five seeds of 90,000 steps of 16 pictures; hours not measured.
Published: none for this model. Ours: not measured.
"""

from detectron2.config import LazyCall as L
from detectron2.model_zoo import get_config

from transfer.frameworks.detectron2.adapter import DistilledBackbone, own_res5

from .coco_det import dataloader, lr_multiplier, optimizer, train  # noqa: F401
from .coco_det import model as fpn

benchmark = dict(
    title="Detection, COCO (Mask R-CNN C4, own res5)",
    source="Detectron2's Mask R-CNN C4, 1x; SyncBN, nothing frozen, the checkpoint's own res5 as box head",
    data="coco",
    seeds=5,
    headline="bbox_AP",
    smoke="smoke/coco_det_c4.py",
)
model = get_config("common/models/mask_rcnn_c4.py").model
model.backbone = L(DistilledBackbone)(
    arch="resnet18", weights="", out_stages=["res4"], frozen=0, norm="SyncBN"
)
model.proposal_generator.head.in_channels = 256  # the backbone's res4
model.roi_heads.res5 = L(own_res5)(
    arch="${model.backbone.arch}",
    weights="${model.backbone.weights}",
    out_channels=512,
    frozen="${model.backbone.frozen}",
    norm="${model.backbone.norm}",
)
model.input_format, model.pixel_mean, model.pixel_std = fpn.input_format, fpn.pixel_mean, fpn.pixel_std
del fpn
