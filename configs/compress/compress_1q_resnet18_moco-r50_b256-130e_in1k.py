"""CompRess-1q: MoCo-v2 ResNet-50, 800 epochs -> resnet18, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/compress/compress_1q_resnet18_moco-r50_b256-130e_in1k.py --launcher pytorch

Published: linear 62.6, nearest neighbour 53.5, cluster alignment 33.0. Measured here: not measured.
"""

_base_ = "../_base_/compress_1q.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
