"""MoCo v2: ResNet-18, ImageNet without labels, batch 256, 200 epochs (CompRess, "Implementation details for the baselines").

    torchrun --nproc-per-node 8 tools/distill.py configs/moco_v2/moco_v2_resnet18_b256-200e_in1k.py --launcher pytorch

Published: linear 54.5 and nearest neighbour 41.1 after 1000 epochs (CompRess section 4.3 and Table 5); after 200 not
known to us. Measured here: not measured.
"""

_base_ = "../_base_/moco_v2.py"

model = dict(student=dict(arch="resnet18"))
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
