"""CompRess-1q: MoCo-v2 ResNet-50, 800 epochs -> mobilenetv2, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/compress/compress_1q_mobilenetv2_moco-r50_b256-130e_in1k.py --launcher pytorch

Published: linear 65.8, nearest neighbour 54.8, cluster alignment 32.8. Measured here: not measured.
"""

_base_ = "../_base_/compress_1q.py"

model = dict(
    student=dict(arch="mobilenetv2_100"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
