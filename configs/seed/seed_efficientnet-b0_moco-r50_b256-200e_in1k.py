"""SEED: MoCo-v2 ResNet-50 (200 epochs) -> efficientnet-b0, ImageNet without labels (Fang et al., ICLR 2021).

    torchrun --nproc-per-node 8 tools/distill.py configs/seed/seed_efficientnet-b0_moco-r50_b256-200e_in1k.py --launcher pytorch

Published: linear 61.3 (teacher 67.4), OSS Table 9. Measured here: not measured.

Dropout 0.2 before the head, drop connect 0.2, batch norms with epsilon 1e-3 and momentum 0.01, as in the authors'
EfficientNet; timm's defaults are no dropout, epsilon 1e-5 and momentum 0.1.
"""

_base_ = "../_base_/seed.py"

model = dict(
    student=dict(
        arch="efficientnet_b0", drop_rate=0.2, drop_path_rate=0.2, bn_eps=1e-3, bn_momentum=0.01
    ),
    teacher=dict(weights="checkpoints/moco_v2_200ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
