"""BYOL with small batches: the paper's settings, for 200 epochs of 256 (OSS appendix A.2, without accumulation).

Learning rate, weight decay and momentum are those for 1000 epochs of 4096 (section 3.3), with the paper's
rule for the learning rate, 0.2 x batch / 256. ``byol_accumulated`` has its batches and settings for 300.
The last batch norm of each residual block starts at 0, as in the authors' code (Haiku's ResNet) and in timm.
"""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
sync_batch_norm = True  # over the GPUs
model = dict(type="BYOL", hidden=4096, projection=256, momentum=0.996, student=dict(arch=None))
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(type="BYOLAugmentation", size=224, scale=(0.08, 1.0)),
    )
)
# biases and norms: no weight decay and no adaptation
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="LARS", lr=0.2, momentum=0.9, weight_decay=1.5e-6, trust_coeff=1e-3),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
train_cfg = dict(max_epochs=200)
param_scheduler = [
    dict(type="LinearLR", by_epoch=True, begin=0, end=10, start_factor=0.01, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=10, end=200, T_max=190, convert_to_iter_based=True),
]
