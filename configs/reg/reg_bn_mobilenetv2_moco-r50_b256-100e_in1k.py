"""Reg-BN: MoCo-v2 ResNet-50, 800 epochs -> mobilenetv2, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/reg/reg_bn_mobilenetv2_moco-r50_b256-100e_in1k.py --launcher pytorch

Published: linear 62.3, nearest neighbour 48.7, cluster alignment 27.0. Measured here: not measured.
"""

_base_ = "../_base_/reg_bn.py"

model = dict(
    student=dict(arch="mobilenetv2_100"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
