"""Semantic FPN on Cityscapes with a ResNet-18: PCD, appendix B.1; gtFine ``train`` for training, ``val`` for testing.

The paper: SGD, lr 0.01, momentum 0.9, weight decay 1e-4, batch 16, 90k steps, warm-up over 1,000, x0.1 at 63k and 81k;
shorter side one of 512, 768, ..., 2048, longer side up to 4096, random crop and flip.
It does not state the head: Semantic FPN, the head of Detectron2's panoptic_fpn without its detector, is our reading.
Nor the crop and the size of test pictures: 512x1024 and 1024 (longer side up to 2048) are borrowed from Detectron2's
DeepLab (Base-DeepLabV3-OS16-Semantic), whose other settings are the paper's but for the schedule.
Nothing is frozen, SyncBN in backbone and FPN, RGB pixels, as self-supervised backbones are fine-tuned.

    tools/run_transfer.sh cityscapes_seg_d2 work_dirs/RUN/last.pth --data-root data

or with Detectron2's own script, which wants labelTrainIds masks (cityscapesScripts makes them; ours takes labelIds too):

    DETECTRON2_DATASETS=data python lazyconfig_train_net.py \
        --config-file configs/transfer/detectron2/cityscapes_seg_d2.py model.backbone.bottom_up.weights=work_dirs/RUN/last.pth

Another network: model.backbone.bottom_up.arch.

Cost: five seeds of 90,000 steps of 16 crops; hours not measured.
Published (PCD's main paper): not at hand. Ours: not measured.
"""

import detectron2.data.transforms as T
from detectron2.config import LazyCall as L
from detectron2.evaluation import SemSegEvaluator
from detectron2.model_zoo import get_config
from detectron2.modeling import SemanticSegmentor

from .coco_det import model as detector

benchmark = dict(
    title="Segmentation, Cityscapes (Semantic FPN)",
    source="PCD B.1; the head is our reading, crop and test size are DeepLab's in Detectron2",
    data="cityscapes_masks",
    seeds=5,
    headline="mIoU",
    smoke="smoke/cityscapes_seg_d2.py",
)

model = L(SemanticSegmentor)(
    backbone=detector.backbone,
    sem_seg_head=get_config("common/models/panoptic_fpn.py").model.sem_seg_head,
    pixel_mean=detector.pixel_mean,
    pixel_std=detector.pixel_std,
)
model.backbone.top_block = None  # its map is for large objects
model.sem_seg_head.num_classes = 19
model.sem_seg_head.loss_weight = 1.0  # half, beside a detector's losses
del detector

dataloader = get_config("common/data/coco.py").dataloader
dataloader.train.dataset.names = "cityscapes_fine_sem_seg_train"
dataloader.train.dataset.filter_empty = False  # it counts boxes
dataloader.train.mapper.augmentations = [
    L(T.ResizeShortestEdge)(
        short_edge_length=list(range(512, 2049, 256)), sample_style="choice", max_size=4096
    ),
    L(T.RandomCrop)(crop_type="absolute", crop_size=[512, 1024]),
    L(T.RandomFlip)(horizontal=True),
]
dataloader.train.mapper.use_instance_mask = False
dataloader.train.mapper.image_format = "RGB"
dataloader.test.dataset.names = "cityscapes_fine_sem_seg_val"
dataloader.test.mapper.augmentations[0].update(short_edge_length=1024, max_size=2048)
dataloader.evaluator = L(SemSegEvaluator)(dataset_name="${..test.dataset.names}")

optimizer = get_config("common/optim.py").SGD
optimizer.lr = 0.01
lr_multiplier = get_config("common/coco_schedule.py").lr_multiplier_1x
lr_multiplier.scheduler.milestones = [63_000, 81_000, 90_000]
train = get_config("common/train.py").train
train.reference_world_size = 8  # GPUs that share the batch, for tools/run_transfer.sh
