"""OSS: ResNet-50 -> EfficientNet-B0, trained together, ImageNet without labels, 200 epochs (OSS appendix A.1).

    torchrun --nproc-per-node 4 tools/distill.py configs/oss/oss_efficientnet-b0_r50_b256-200e_in1k.py --launcher pytorch

Published: linear 64.1, 1 % of labels 34.4, 10 % 62.8, OSS Table 15. Measured here: not measured.
"""

_base_ = "../_base_/oss.py"

model = dict(student=dict(arch="efficientnet_b0"), online_teacher=dict(arch="resnet50"))
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
