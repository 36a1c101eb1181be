"""Fast R-CNN on VOC2007 with CompRess's AlexNet: CompRess, Table 7 and appendix.

The paper: Fast R-CNN, all layers trained, SGD, lr 0.001, momentum 0.9, weight decay 5e-4, 15k steps, x0.1 every 5k, batch
size 256. Its code is not published; 256 can hardly be pictures: regions are our reading, 128 of each of two pictures.
What it leaves open is Fast R-CNN's own (Girshick 2015): shorter side 600, longer up to 1000, flips, a quarter of the
regions objects (overlap from 0.5), the others of overlap 0.1 to 0.5, max pooling of the regions to 6x6 in place of
AlexNet's last pooling, fc6 and fc7 as box head (the checkpoint's), 2,000 proposals a picture, non-maximum suppression at
0.3; no warm-up. CompRess's AlexNet has no dropout, and no biases of another rate here. RGB pixels.

Proposals are no part of the network: the literature took those of selective search. A file that you give is used (see
transfer/datasets/proposals.py), else selective search by OpenCV if it has it, else a regular grid of boxes, which is no
published setting. The run says which, and config.yaml in its folder as train.proposals: rows of one are not compared with
those of another.

    tools/run_transfer.sh voc07_fast_rcnn work_dirs/RUN/last.pth --data-root data

or with Detectron2's own script, which measures the 11-point AP alone and reads proposals/{trainval,test}.pkl: those that the
line above wrote into work_dirs/transfer/voc07_fast_rcnn/splits, renamed:

    DETECTRON2_DATASETS=data python lazyconfig_train_net.py \
        --config-file configs/transfer/detectron2/voc07_fast_rcnn.py model.backbone.weights=work_dirs/RUN/last.pth

Another network: model.backbone.arch, and the width of its res5 as model.roi_heads.box_head.out_channels: its own res5, a
norm and the mean over the map are the box head then.

Cost: five seeds of 15,000 steps of two pictures; hours not measured.
Published: 59.3 mAP (AP50, CompRess-1q of SimCLR ResNet-50x4), 58.1 (CompRess-2q), 59.1 supervised. Ours: not measured.
"""

from detectron2.config import LazyCall as L
from detectron2.evaluation import PascalVOCDetectionEvaluator
from detectron2.layers import ShapeSpec
from detectron2.model_zoo import get_config

from transfer.frameworks.detectron2.adapter import DistilledBackbone
from transfer.frameworks.detectron2.fast_rcnn import OwnBoxHead

benchmark = dict(
    title="Detection, VOC 2007 (Fast R-CNN)",
    source="CompRess Table 7; batch size read as regions, the rest is Fast R-CNN's (Girshick 2015)",
    data="voc_boxes_and_proposals",
    seeds=5,
    headline="AP50",
    smoke="smoke/voc07_fast_rcnn.py",
)

pixels = get_config("common/data/constants.py").constants
model = get_config("common/models/mask_rcnn_fpn.py").model
model.backbone = L(DistilledBackbone)(
    arch="alexnet_compress", weights="", out_stages=["res4"], frozen=0, norm="SyncBN"
)
model.proposal_generator = None
heads = model.roi_heads
del heads.mask_in_features, heads.mask_pooler, heads.mask_head
heads.num_classes = 20
heads.batch_size_per_image = 128
heads.proposal_matcher.update(thresholds=[0.1, 0.5], labels=[-1, 0, 1])
heads.box_in_features = ["res4"]
heads.box_pooler.update(output_size=6, scales=[1 / 16], pooler_type="ROIPool")
heads.box_head = L(OwnBoxHead)(
    arch="${model.backbone.arch}",
    weights="${model.backbone.weights}",
    out_channels=4096,
    frozen="${model.backbone.frozen}",
    norm="${model.backbone.norm}",
)
heads.box_predictor.input_shape = L(ShapeSpec)(channels="${...box_head.out_channels}", height=1, width=1)
heads.box_predictor.update(smooth_l1_beta=1.0, test_nms_thresh=0.3)
del heads
model.input_format = "RGB"
model.pixel_mean, model.pixel_std = pixels.imagenet_rgb256_mean, pixels.imagenet_rgb256_std
del pixels

dataloader = get_config("common/data/coco.py").dataloader
for loader, split in ((dataloader.train, "trainval"), (dataloader.test, "test")):
    loader.dataset.update(names=f"voc_2007_{split}", proposal_files=[f"proposals/{split}.pkl"])
    loader.mapper.precomputed_proposal_topk = 2_000
    loader.mapper.augmentations[0].max_size = 1_000
del loader
dataloader.train.mapper.augmentations[0].short_edge_length = [600]
dataloader.train.mapper.use_instance_mask = False
dataloader.train.mapper.image_format = "RGB"
dataloader.train.total_batch_size = 2
dataloader.test.mapper.augmentations[0].short_edge_length = 600
dataloader.evaluator = L(PascalVOCDetectionEvaluator)(dataset_name="${..test.dataset.names}")

optimizer = get_config("common/optim.py").SGD
optimizer.update(lr=0.001, weight_decay=5e-4)
lr_multiplier = get_config("common/coco_schedule.py").lr_multiplier_1x
lr_multiplier.scheduler.milestones = [5_000, 10_000, 15_000]
lr_multiplier.warmup_length = 0.0
train = get_config("common/train.py").train
train.max_iter = 15_000
train.reference_world_size = 1  # GPUs that share the batch, for tools/run_transfer.sh
