"""OSS: ResNet-50 -> RegNetY-600MF, trained together, ImageNet without labels, 200 epochs (OSS appendix A.1).

    torchrun --nproc-per-node 4 tools/distill.py configs/oss/oss_regnety-600mf_r50_b256-200e_in1k.py --launcher pytorch

Published: linear 67.4, 1 % of labels 49.9, 10 % 64.7, OSS Table 15. Measured here: not measured.
"""

_base_ = "../_base_/oss.py"

model = dict(student=dict(arch="regnety_006"), online_teacher=dict(arch="resnet50"))
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
