"""Feature matching: DINOv3 ViT-B/16 -> mobilenetv3_large_100, with the settings that the resnet18 beside it has and explains.

    torchrun --nproc-per-node 8 tools/distill.py configs/feature_matching/feature_matching_mobilenetv3-large_dinov3-vitb_b1024-100e_in1k.py --launcher pytorch

Published: none: our own recipe. Measured here: no accuracy; with an untrained teacher of this architecture, on one core,
two pictures of 224 pixels take 3.0 s of processor time a step and 1.4 GiB; 8 steps
of 8 crops of 64 pixels were too few for the loss to fall (2.02, 2.06).
"""

_base_ = "./feature_matching_resnet18_dinov3-vitb_b1024-100e_in1k.py"

model = dict(student=dict(arch="mobilenetv3_large_100"))
