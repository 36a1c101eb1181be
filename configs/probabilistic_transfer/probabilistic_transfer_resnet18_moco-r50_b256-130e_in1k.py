"""Probabilistic transfer: MoCo-v2 ResNet-50, 800 epochs -> resnet18, ImageNet without labels (CompRess section 4.3).

    torchrun --nproc-per-node 4 tools/distill.py configs/probabilistic_transfer/probabilistic_transfer_resnet18_moco-r50_b256-130e_in1k.py --launcher pytorch

Published: linear 53.6, nearest neighbour 42.3. Measured here: not measured.
"""

_base_ = "../_base_/probabilistic_transfer.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
