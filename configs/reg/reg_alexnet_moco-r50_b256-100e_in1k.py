"""Reg: MoCo-v2 ResNet-50, 800 epochs -> alexnet, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/reg/reg_alexnet_moco-r50_b256-100e_in1k.py --launcher pytorch

Published: linear 49.9, nearest neighbour 35.6, cluster alignment 9.5. Measured here: not measured.
"""

_base_ = "../_base_/reg.py"

model = dict(
    student=dict(arch="alexnet_compress"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
optim_wrapper = dict(optimizer=dict(lr=1e-4))  # AlexNet (CompRess appendix)
