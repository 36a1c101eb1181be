"""Feature matching: DINOv3 ViT-B/16 -> resnet18, ImageNet without labels.

    torchrun --nproc-per-node 8 tools/distill.py configs/feature_matching/feature_matching_resnet18_dinov3-vitb_b1024-100e_in1k.py --launcher pytorch

Published: none: our own recipe. Measured here: no accuracy; with an untrained teacher of this architecture, on one core,
two pictures of 224 pixels take 3.5 s of processor time a step and 1.4 GiB; in 20 steps
of 8 crops of 64 pixels, at the full rate throughout, the loss fell from 2.06 to 1.32.

None of the settings was tuned here. Rate and weight decay: DeiT's AdamW on ImageNet, 5e-4 x batch / 512 and 0.05, none for
norms and biases (Touvron et al., ICML 2021); Theia, which distils such teachers on ImageNet, has 2e-3 for a batch of 512
and 0.01 (its training config), LightlyTrain 5e-4 for 1536 and 1e-6 for networks with batch norms (arguments of its third distillation). Warm-up
over the first tenth, from 0.01 of the rate: as Theia. Smallest crop, 0.14 of the area: LightlyTrain. Batch and
epochs: those of PCD's runs here. Embedding: the class token, which DINOv3's authors pool by; timm pools the patches,
which the map has already.
"""

_base_ = "../_base_/feature_matching.py"

batch_size = 1024  # over all processes
model = dict(
    student=dict(arch="resnet18"),
    teacher=dict(weights="vit_base_patch16_dinov3.lvd1689m", pooling="token"),
)
train_dataloader = dict(dataset=dict(data_root="data/imagenet/train", augmentation=dict(scale=(0.14, 1.0))))
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=0.05))
