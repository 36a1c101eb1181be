"""Faster R-CNN C4 on VOC2007 with a ResNet-18: OSS, appendix A.5.

The paper: trainval for training and test for testing; ResNet-18 up to conv4, and the box head that Detectron2
has for ResNet-50 (bottleneck res5, fresh weights) with other input channels; batch 16, lr 0.02, 24k steps,
x0.1 at 18k and 22k; mean of 5 seeds. "24K epochs" there are steps.
What it leaves open is MoCo's VOC configuration (He et al. 2020), which it follows: nothing frozen, SyncBN, RGB
pixels, the stride in the 3x3 convolution, shorter side 480-800 in training and 800 in testing, warm-up over 100
steps, precise batch norm over 200 batches before the test. MoCo's norm after res5 is left out, as the paper's box head is
Detectron2's: voc07_det_res5 has it. All else is Detectron2's mask_rcnn_c4, without masks.

    tools/run_transfer.sh voc07_det work_dirs/RUN/last.pth --data-root data

or with Detectron2's own script, which measures the 11-point AP alone and leaves out precise batch norm:

    DETECTRON2_DATASETS=data python lazyconfig_train_net.py \
        --config-file configs/transfer/detectron2/voc07_det.py model.backbone.weights=work_dirs/RUN/last.pth

Another network: model.backbone.arch, and the width of its res4 as model.proposal_generator.head.in_channels.

Cost: 24,000 steps of 16 pictures; hours not measured.
Published (OSS's main paper): not at hand. Ours: not measured.
"""

from detectron2.config import LazyCall as L
from detectron2.evaluation import PascalVOCDetectionEvaluator
from detectron2.model_zoo import get_config

from transfer.frameworks.detectron2.adapter import DistilledBackbone

benchmark = dict(
    title="Detection, VOC 2007 (Faster R-CNN C4)",
    source="OSS A.5, with MoCo's VOC configuration (He et al. 2020) for what it leaves open",
    data="voc_boxes",
    seeds=5,
    headline="AP",
    smoke="smoke/voc07_det.py",
)

pixels = get_config("common/data/constants.py").constants
model = get_config("common/models/mask_rcnn_c4.py").model
model.backbone = L(DistilledBackbone)(
    arch="resnet18", weights="", out_stages=["res4"], frozen=0, norm="SyncBN"
)
model.proposal_generator.head.in_channels = 256  # the backbone's res4
model.roi_heads.res5.in_channels = "${model.proposal_generator.head.in_channels}"
model.roi_heads.res5.norm = "SyncBN"
model.roi_heads.res5.stride_in_1x1 = False
model.roi_heads.num_classes = 20
del model.roi_heads.mask_head
model.input_format = "RGB"
model.pixel_mean, model.pixel_std = pixels.imagenet_rgb256_mean, pixels.imagenet_rgb256_std
del pixels

dataloader = get_config("common/data/coco.py").dataloader
dataloader.train.dataset.names = "voc_2007_trainval"
dataloader.train.mapper.augmentations[0].short_edge_length = list(range(480, 801, 32))
dataloader.train.mapper.use_instance_mask = False
dataloader.train.mapper.image_format = "RGB"
dataloader.test.dataset.names = "voc_2007_test"
dataloader.evaluator = L(PascalVOCDetectionEvaluator)(dataset_name="${..test.dataset.names}")

optimizer = get_config("common/optim.py").SGD
lr_multiplier = get_config("common/coco_schedule.py").lr_multiplier_1x
lr_multiplier.scheduler.milestones = [18_000, 22_000, 24_000]
lr_multiplier.warmup_length = 100 / 24_000

train = get_config("common/train.py").train
train.max_iter = 24_000
# Of the last two, Detectron2's lazy trainer knows nothing; tools/run_transfer.sh does.
train.reference_world_size = 8  # GPUs that share the batch
train.precise_bn = 200  # batches
