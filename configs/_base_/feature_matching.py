"""Feature matching: our own method, and so no published settings.

Rate, warm-up, weight decay and crops were tried on pictures of 64 pixels alone, 3,000 of them for three epochs and 15,000
for five; size and epochs here are what is usual for larger ones, and were not.
"""

_base_ = "./runtime.py"

batch_size = 64  # over all processes
model = dict(
    type="FeatureMatching",
    map_weight=1.0,  # 0: no map, as a cached teacher needs
    student=dict(arch=None),
    teacher=dict(weights=None, output="backbone"),
)
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(type="CropFlip", size=224, scale=(0.4, 1.0)),
    )
)
# norms that decay make the maps small, from which a detector learns little: docs/comparison.md, "What decays"
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.01, weight_decay=0.2),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
train_cfg = dict(max_epochs=100)
param_scheduler = [
    dict(type="LinearLR", by_epoch=True, begin=0, end=10, start_factor=0.01, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=10, end=100, T_max=90, convert_to_iter_based=True),
]
