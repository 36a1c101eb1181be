"""k-means, a baseline of SEED: MoCo-v2 ResNet-50 (200 epochs) -> resnet18, ImageNet without labels (Fang et al., ICLR 2021).

    python tools/cache_teacher.py --data data/imagenet/train --teacher checkpoints/moco_v2_200ep_pretrain.pth.tar --output auto \\
        --out cache/moco_v2_r50_200ep_head_in1k
    torchrun --nproc-per-node 8 tools/distill.py configs/seed/seed_kmeans_resnet18_moco-r50_b256-200e_in1k.py --launcher pytorch

Published: linear 51.0 (teacher 67.4), OSS Table 9. Measured here: not measured.
"""

_base_ = "../_base_/seed_kmeans.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(
        weights="checkpoints/moco_v2_200ep_pretrain.pth.tar", cache="cache/moco_v2_r50_200ep_head_in1k"
    ),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
