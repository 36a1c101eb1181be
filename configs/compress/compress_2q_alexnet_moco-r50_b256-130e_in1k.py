"""CompRess-2q: MoCo-v2 ResNet-50, 800 epochs -> alexnet, ImageNet without labels (CompRess Table 1).

    torchrun --nproc-per-node 4 tools/distill.py configs/compress/compress_2q_alexnet_moco-r50_b256-130e_in1k.py --launcher pytorch

Published: linear 56.4, nearest neighbour 48.4, cluster alignment 33.3. Measured here: not measured.
"""

_base_ = "../_base_/compress_2q.py"

model = dict(
    student=dict(arch="alexnet_compress"),
    teacher=dict(weights="checkpoints/moco_v2_800ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
