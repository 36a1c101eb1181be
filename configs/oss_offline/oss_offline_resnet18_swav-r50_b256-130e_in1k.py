"""OSS offline: SwAV ResNet-50, 800 epochs, frozen -> resnet18, ImageNet without labels (OSS appendix A.8).

    torchrun --nproc-per-node 4 tools/distill.py configs/oss_offline/oss_offline_resnet18_swav-r50_b256-130e_in1k.py --launcher pytorch

Published: not known to us. Measured here: not measured.
"""

_base_ = "../_base_/oss_offline.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/swav_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
