"""CompRess-2q: SwAV ResNet-50, 800 epochs -> resnet18, ImageNet without labels (CompRess Table 2).

    torchrun --nproc-per-node 4 tools/distill.py configs/compress/compress_2q_resnet18_swav-r50_b256-130e_in1k.py --launcher pytorch

Published: linear 62.4, nearest neighbour 53.7, cluster alignment 26.7. Measured here: not measured.
"""

_base_ = "../_base_/compress_2q.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/swav_800ep_pretrain.pth.tar"),
    temperature=0.007,  # SwAV teachers (section 4)
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
