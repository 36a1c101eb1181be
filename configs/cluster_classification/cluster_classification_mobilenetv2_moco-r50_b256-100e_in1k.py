"""Cluster classification: MoCo-v2 ResNet-50, 800 epochs -> mobilenetv2, ImageNet without labels (CompRess Table 1).

    python tools/cache_teacher.py --data data/imagenet/train --teacher checkpoints/moco_v2_800ep_pretrain.pth.tar \\
        --out cache/moco_v2_r50_800ep_in1k
    torchrun --nproc-per-node 4 tools/distill.py configs/cluster_classification/cluster_classification_mobilenetv2_moco-r50_b256-100e_in1k.py --launcher pytorch

Published: linear 59.2, nearest neighbour 50.2, cluster alignment 24.7. Measured here: not measured.
"""

_base_ = "../_base_/cluster_classification.py"

model = dict(
    student=dict(arch="mobilenetv2_100"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar", cache="cache/moco_v2_r50_800ep_in1k"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
optim_wrapper = dict(optimizer=dict(lr=0.01))  # MobileNet-v2 and AlexNet (CompRess appendix)
