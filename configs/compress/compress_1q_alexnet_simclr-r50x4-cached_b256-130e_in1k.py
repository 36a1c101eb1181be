"""CompRess, cached SimCLR ResNet-50x4 -> AlexNet (CompRess sections 3 and 4, Tables 4, 5 and 7).

    python tools/cache_teacher.py --data data/imagenet/train --teacher checkpoints/simclr_resnet50x4.pth \\
        --out cache/simclr_resnet50x4_in1k
    torchrun --nproc-per-node 4 tools/distill.py configs/compress/compress_1q_alexnet_simclr-r50x4-cached_b256-130e_in1k.py --launcher pytorch

Published for the better of 1q and 2q: linear 59.0, nearest neighbour 50.7, cluster alignment 27.6.
Measured here: not measured.
"""

_base_ = "../_base_/compress_1q.py"

model = dict(
    student=dict(arch="alexnet_compress"),
    teacher=dict(weights="checkpoints/simclr_resnet50x4.pth", cache="cache/simclr_resnet50x4_in1k"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
