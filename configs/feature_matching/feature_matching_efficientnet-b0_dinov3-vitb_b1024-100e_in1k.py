"""Feature matching: DINOv3 ViT-B/16 -> efficientnet_b0, with the settings that the resnet18 beside it has and explains.

    torchrun --nproc-per-node 8 tools/distill.py configs/feature_matching/feature_matching_efficientnet-b0_dinov3-vitb_b1024-100e_in1k.py --launcher pytorch

Published: none: our own recipe. Measured here: no accuracy.
"""

_base_ = "./feature_matching_resnet18_dinov3-vitb_b1024-100e_in1k.py"

model = dict(student=dict(arch="efficientnet_b0"))
