"""SwAV: ResNet-18, ImageNet without labels, batch 256, 200 epochs (Caron et al., NeurIPS 2020; OSS appendix A.2).

    torchrun --nproc-per-node 4 tools/distill.py configs/swav/swav_resnet18_b256-200e_in1k.py --launcher pytorch

Published: linear 61.2 (63.7 after 400 epochs, 64.9 after 800), OSS Table 16. Measured here: not measured.
"""

_base_ = "../_base_/swav.py"

model = dict(student=dict(arch="resnet18"))
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
