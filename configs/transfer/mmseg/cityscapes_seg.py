"""FCN on Cityscapes (OSS A.6, Table 13), trained on gtFine ``train``, tested on ``val``.

MMSegmentation's FCN (``fcn_r50-d8``) with another backbone, heads of 128 and 64 channels, and a rate that
falls linearly. Its training pictures, random scaling, photometric distortion, output stride 8 by dilation and
SyncBN are MMSegmentation's own. The paper states neither the length nor the last rate: 40,000 steps is
MMSegmentation's shortest schedule for Cityscapes, 1e-4 its last rate.

Ours: ``bash tools/run_transfer.sh cityscapes_seg work_dirs/RUN/last.pth --data-root data``
MMSegmentation's: ``tools/train.py configs/transfer/mmseg/cityscapes_seg.py --launcher pytorch``, on four GPUs,
which wants labelTrainIds masks (cityscapesScripts makes them); ours takes labelIds as well

Cost: five seeds of 40,000 steps, 16 crops of 512x1024 a step.
Published: 62.4 mIoU (OSS, ResNet-18), 61.2 supervised.
Measured here: not measured.
"""

_base_ = [
    "mmseg::_base_/models/fcn_r50-d8.py",
    "mmseg::_base_/datasets/cityscapes.py",
    "mmseg::_base_/schedules/schedule_40k.py",
    "mmseg::_base_/default_runtime.py",
]
custom_imports = dict(imports=["transfer.frameworks.mmseg.adapter"], allow_failed_imports=False)
benchmark = dict(
    title="Cityscapes segmentation: FCN",
    source="OSS A.6; 40,000 steps and the last rate are MMSegmentation's",
    data="cityscapes_masks",
    seeds=5,
    headline="mIoU",
    smoke="smoke/fcn.py",
)

model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type="DistilledBackbone",
        arch="resnet18",
        weights=None,
        output_stride=8,
        norm="SyncBN",
    ),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64),
)
train_dataloader = dict(batch_size=4)  # on each of four GPUs
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = [dict(type="PolyLR", power=1.0, eta_min=1e-4, begin=0, end=40_000, by_epoch=False)]
auto_scale_lr = dict(enable=False, base_batch_size=16)
