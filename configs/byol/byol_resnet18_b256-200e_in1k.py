"""BYOL: ResNet-18, ImageNet without labels, batch 256, 200 epochs, no accumulation (OSS appendix A.2).

    torchrun --nproc-per-node 4 tools/distill.py configs/byol/byol_resnet18_b256-200e_in1k.py --launcher pytorch

Published: linear on ImageNet not known to us; after 800 epochs linear on other data sets in OSS Table 11 (CIFAR-10 60.8,
Places365 33.6). Measured here: not measured.
"""

_base_ = "../_base_/byol.py"

model = dict(student=dict(arch="resnet18"))
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
