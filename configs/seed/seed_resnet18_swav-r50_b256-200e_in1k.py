"""SEED: SwAV ResNet-50, 800 epochs -> resnet18, ImageNet without labels (Fang et al., ICLR 2021).

    torchrun --nproc-per-node 8 tools/distill.py configs/seed/seed_resnet18_swav-r50_b256-200e_in1k.py --launcher pytorch

Published: linear 61.7, OSS Table 10. Measured here: not measured.
"""

_base_ = "../_base_/seed.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/swav_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(
    dataset=dict(
        data_root="data/imagenet/train",
        augmentation=dict(scale=(0.14, 1.0)),  # for SwAV teachers, in the authors' code
    )
)
