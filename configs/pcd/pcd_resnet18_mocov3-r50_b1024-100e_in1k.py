"""PCD: MoCo-v3 ResNet-50 (1000 epochs) -> resnet18, ImageNet without labels (Huang and Guo, ICCV 2023).

    torchrun --nproc-per-node 8 tools/distill.py configs/pcd/pcd_resnet18_mocov3-r50_b1024-100e_in1k.py --launcher pytorch

Published: COCO, Mask R-CNN with R18-FPN, 37.4 box AP and 34.0 mask AP (abstract). Measured here: not measured.
"""

_base_ = "../_base_/pcd.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/r-50-1000ep.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
