"""SimCLR: ResNet-50, ImageNet without labels, batch 256 (Chen et al., ICML 2020).

    torchrun --nproc-per-node 8 tools/distill.py configs/simclr/simclr_resnet50_b256-200e_in1k.py --launcher pytorch

Published: linear 61.9 (quoted by Chen et al., "Improved Baselines with Momentum Contrastive Learning", 2020). Measured
here: not measured.
"""

_base_ = "../_base_/simclr.py"

model = dict(student=dict(arch="resnet50"))
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
