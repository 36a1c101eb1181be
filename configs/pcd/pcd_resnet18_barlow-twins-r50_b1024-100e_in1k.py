"""PCD: Barlow Twins ResNet-50 -> resnet18, ImageNet without labels (Huang and Guo, ICCV 2023, appendix B.3).

    torchrun --nproc-per-node 8 tools/distill.py configs/pcd/pcd_resnet18_barlow-twins-r50_b1024-100e_in1k.py --launcher pytorch

The loss has one direction only: this teacher's head is 8192 wide, and so is the queue (2.1 GB). The checkpoint
is the whole training state, head included.
Published: not known to us. Measured here: not measured.
"""

_base_ = "../_base_/pcd.py"

model = dict(
    symmetric=False,
    hidden=(8192, 8192),  # the released code's heads for this teacher
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/barlow_twins_checkpoint.pth"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
