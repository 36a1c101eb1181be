"""FCN on VOC2012 (OSS A.6), trained on the official ``train``, tested on ``val``.

MMSegmentation's FCN (``fcn_r50-d8``) with another backbone, heads of 128 and 64 channels, and a rate that
falls linearly. Its training pictures, random scaling, photometric distortion, output stride 8 by dilation and
SyncBN are MMSegmentation's own. The paper does not state the length: 20,000 steps is MMSegmentation's
shortest schedule for VOC2012.

Ours: ``bash tools/run_transfer.sh voc12_seg work_dirs/RUN/last.pth --data-root data``
MMSegmentation's: ``tools/train.py configs/transfer/mmseg/voc12_seg.py --launcher pytorch``, on four GPUs

Cost: five seeds of 20,000 steps, 16 crops of 512x512 a step.
Published: mIoU, mean of five seeds; the appendix does not give it.
Measured here: not measured.
"""

_base_ = [
    "mmseg::_base_/models/fcn_r50-d8.py",
    "mmseg::_base_/datasets/pascal_voc12.py",
    "mmseg::_base_/schedules/schedule_20k.py",
    "mmseg::_base_/default_runtime.py",
]
custom_imports = dict(imports=["transfer.frameworks.mmseg.adapter"], allow_failed_imports=False)
benchmark = dict(
    title="VOC2012 segmentation: FCN",
    source="OSS A.6; 20,000 steps are MMSegmentation's",
    data="voc_masks",
    seeds=5,
    headline="mIoU",
    smoke="smoke/fcn.py",
)

model = dict(
    data_preprocessor=dict(size=(512, 512)),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type="DistilledBackbone",
        arch="resnet18",
        weights=None,
        output_stride=8,
        norm="SyncBN",
    ),
    decode_head=dict(in_channels=512, channels=128, num_classes=21),
    auxiliary_head=dict(in_channels=256, channels=64, num_classes=21),
)
param_scheduler = [dict(type="PolyLR", power=1.0, eta_min=1e-4, begin=0, end=20_000, by_epoch=False)]
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 4 on each of four GPUs
