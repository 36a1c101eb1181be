"""CompRess-2q: SimCLR ResNet-50x4 (converted to PyTorch) -> resnet50, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/compress/compress_2q_resnet50_simclr-r50x4_b256-130e_in1k.py --launcher pytorch

Published: linear 71.0, nearest neighbour 63.0, cluster alignment 41.1. Measured here: not measured.

Student and key encoder end in a linear layer 2048 -> 8192, as in the released train_student.py.
"""

_base_ = "../_base_/compress_2q.py"

model = dict(
    projection=8192,
    student=dict(arch="resnet50"),
    teacher=dict(weights="checkpoints/simclr_resnet50x4.pth"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
