"""BYOL: ResNet-18, ImageNet without labels, 16 batches of 256 an optimiser step, 300 epochs (OSS appendix A.2).

    torchrun --nproc-per-node 4 tools/distill.py configs/byol/byol_accumulated_resnet18_b256x16-300e_in1k.py --launcher pytorch

OSS trains for 100, 200, 400 and 800 epochs; BYOL's settings are for 300. Published: not known to us. Measured here: not
measured.
"""

_base_ = "../_base_/byol_accumulated.py"

model = dict(student=dict(arch="resnet18"))
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train"))
