"""Reg: MoCo-v2 ResNet-50, 800 epochs -> resnet18, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/reg/reg_resnet18_moco-r50_b256-100e_in1k.py --launcher pytorch

Published: linear 52.2, nearest neighbour 41.7, cluster alignment 25.6. Measured here: not measured.
"""

_base_ = "../_base_/reg.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
