"""CompRess-1q: SimCLR ResNet-50x4 (converted to PyTorch) -> resnet50, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/compress/compress_1q_resnet50_simclr-r50x4_b256-130e_in1k.py --launcher pytorch

Published: linear 71.9, nearest neighbour 63.3, cluster alignment 41.4. Measured here: not measured.
"""

_base_ = "../_base_/compress_1q.py"

model = dict(
    student=dict(arch="resnet50"),
    teacher=dict(weights="checkpoints/simclr_resnet50x4.pth"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
