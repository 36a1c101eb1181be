"""Online clustering, a baseline of SEED: MoCo-v2 ResNet-50 (200 epochs) -> resnet18, ImageNet without labels (Fang et al., ICLR 2021).

    torchrun --nproc-per-node 8 tools/distill.py configs/seed/seed_online_clustering_resnet18_moco-r50_b256-200e_in1k.py --launcher pytorch

Published: linear 56.4 (teacher 67.4), OSS Table 9. Measured here: not measured.
"""

_base_ = "../_base_/seed_online_clustering.py"

model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="checkpoints/moco_v2_200ep_pretrain.pth.tar"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
