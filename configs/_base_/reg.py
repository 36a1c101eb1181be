"""Reg, published settings: CompRess appendix (baselines)."""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
model = dict(
    type="Regression",
    normalisation="none",
    student=dict(arch=None),
    teacher=dict(weights=None, output="backbone"),
)
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(type="CropFlip", size=224, scale=(0.08, 1.0)),
    )
)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="Adam", lr=1e-3, weight_decay=1e-4),  # lr 1e-4: AlexNet
)
train_cfg = dict(max_epochs=100)
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[40, 80], gamma=0.1)]
