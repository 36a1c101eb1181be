"""PCD: MoCo-v3 ViT-B (300 epochs) -> resnet18, ImageNet without labels (Huang and Guo, ICCV 2023, appendix B.3).

    torchrun --nproc-per-node 8 tools/distill.py configs/pcd/pcd_resnet18_mocov3-vitb_b1024-100e_in1k.py --launcher pytorch

The teacher's map of 14 x 14 is averaged to the student's 7 x 7.
Published: not known to us. Measured here: not measured.
"""

_base_ = "../_base_/pcd.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/vit-b-300ep.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
