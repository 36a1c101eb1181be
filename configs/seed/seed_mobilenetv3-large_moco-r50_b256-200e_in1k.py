"""SEED: MoCo-v2 ResNet-50 (200 epochs) -> mobilenetv3-large, ImageNet without labels (Fang et al., ICLR 2021).

    torchrun --nproc-per-node 8 tools/distill.py configs/seed/seed_mobilenetv3-large_moco-r50_b256-200e_in1k.py --launcher pytorch

Published: no figure in CompRess, OSS or PCD. Measured here: not measured.

Dropout 0.2 before the head, as in the authors' MobileNetV3.
"""

_base_ = "../_base_/seed.py"

model = dict(
    student=dict(arch="mobilenetv3_large_100", drop_rate=0.2),
    teacher=dict(weights="checkpoints/moco_v2_200ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
