"""CRD without labels: MoCo-v2 ResNet-50, 800 epochs -> alexnet, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/crd/crd_alexnet_moco-r50_b256-100e_in1k.py --launcher pytorch

Published: linear 54.4, nearest neighbour 36.9, cluster alignment 14.1. Measured here: not measured.
"""

_base_ = "../_base_/crd.py"

model = dict(
    samples=1_281_167,
    student=dict(arch="alexnet_compress"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
optim_wrapper = dict(optimizer=dict(lr=0.005))  # AlexNet does not converge with more (CompRess appendix)
