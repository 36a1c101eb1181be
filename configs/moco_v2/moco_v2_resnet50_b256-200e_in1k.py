"""MoCo v2: ResNet-50, ImageNet without labels, batch 256, 200 epochs (Chen et al., 2020).

    torchrun --nproc-per-node 8 tools/distill.py configs/moco_v2/moco_v2_resnet50_b256-200e_in1k.py --launcher pytorch

Published: linear 67.5 (Chen et al., 2020; 67.4 in SEED, OSS Table 9). Measured here: not measured.
"""

_base_ = "../_base_/moco_v2.py"

model = dict(student=dict(arch="resnet50"))
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
