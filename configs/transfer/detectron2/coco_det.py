"""Mask R-CNN FPN on COCO with a ResNet-18: PCD's result on dense prediction.

PCD's appendix gives no settings for COCO. These are Detectron2's mask_rcnn_fpn and 1x schedule (batch 16, lr 0.02,
90k steps, x0.1 at 60k and 80k) with what self-supervised fine-tuning needs: nothing frozen, SyncBN in backbone and
FPN, RGB pixels. train2017 for training, val2017 for testing.

    tools/run_transfer.sh coco_det work_dirs/RUN/last.pth --data-root data

or with Detectron2's own script:

    DETECTRON2_DATASETS=data python lazyconfig_train_net.py \
        --config-file configs/transfer/detectron2/coco_det.py model.backbone.bottom_up.weights=work_dirs/RUN/last.pth

Another network: model.backbone.bottom_up.arch.

Cost: five seeds of 90,000 steps of 16 pictures; hours not measured.
Published: PCD, ResNet-18 FPN: 37.4 box AP, 34.0 mask AP. Ours: not measured.
"""

from detectron2.config import LazyCall as L
from detectron2.model_zoo import get_config

from transfer.frameworks.detectron2.adapter import DistilledBackbone

benchmark = dict(
    title="Detection, COCO (Mask R-CNN FPN)",
    source="Detectron2's Mask R-CNN FPN, 1x; SyncBN and nothing frozen (PCD gives no settings)",
    data="coco",
    seeds=5,
    headline="bbox_AP",
    smoke="smoke/coco_det.py",
)

pixels = get_config("common/data/constants.py").constants
model = get_config("common/models/mask_rcnn_fpn.py").model
model.backbone.bottom_up = L(DistilledBackbone)(
    arch="resnet18", weights="", out_stages=["res2", "res3", "res4", "res5"], frozen=0, norm="SyncBN"
)
model.backbone.in_features = "${.bottom_up.out_stages}"
model.backbone.norm = "SyncBN"
model.input_format = "RGB"
model.pixel_mean, model.pixel_std = pixels.imagenet_rgb256_mean, pixels.imagenet_rgb256_std
del pixels

dataloader = get_config("common/data/coco.py").dataloader
dataloader.train.mapper.image_format = "RGB"

optimizer = get_config("common/optim.py").SGD
lr_multiplier = get_config("common/coco_schedule.py").lr_multiplier_1x
train = get_config("common/train.py").train
train.reference_world_size = 8  # GPUs that share the batch, for tools/run_transfer.sh
