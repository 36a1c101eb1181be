"""Cluster classification: MoCo-v2 ResNet-50, 800 epochs -> resnet18, ImageNet without labels (CompRess Table 1).

    python tools/cache_teacher.py --data data/imagenet/train --teacher checkpoints/moco_v2_800ep_pretrain.pth.tar \\
        --out cache/moco_v2_r50_800ep_in1k
    torchrun --nproc-per-node 4 tools/distill.py configs/cluster_classification/cluster_classification_resnet18_moco-r50_b256-100e_in1k.py --launcher pytorch

Published: linear 61.1, nearest neighbour 51.1, cluster alignment 25.2. Measured here: not measured.
"""

_base_ = "../_base_/cluster_classification.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar", cache="cache/moco_v2_r50_800ep_in1k"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
