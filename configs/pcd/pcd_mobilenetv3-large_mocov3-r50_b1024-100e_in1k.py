"""PCD: MoCo-v3 ResNet-50 (1000 epochs) -> mobilenetv3-large, ImageNet without labels (Huang and Guo, ICCV 2023).

    torchrun --nproc-per-node 8 tools/distill.py configs/pcd/pcd_mobilenetv3-large_mocov3-r50_b1024-100e_in1k.py --launcher pytorch

The student's map is that before pooling, 960 wide; ``conv_head`` behind it is not trained.
Published: not known to us. Measured here: not measured.
"""

_base_ = "../_base_/pcd.py"

model = dict(
    student=dict(arch="mobilenetv3_large_100"),
    teacher=dict(weights="checkpoints/r-50-1000ep.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
