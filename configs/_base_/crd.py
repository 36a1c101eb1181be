"""CRD without labels, as in CompRess's comparison: the authors' settings, and their ImageNet schedule.

CompRess states only lr 0.05 (0.005 for AlexNet). The released code trains on CIFAR; for ImageNet the usual
PyTorch schedule over 100 epochs is assumed, with its weight decay (CIFAR's is 5e-4).

The last batch norm of each residual block starts at 1 (``zero_init_last=False``), as in CompRess's code;
timm's start at 0.
"""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
model = dict(
    type="CRD",
    samples=None,  # images of the data set: 1,281,167 for ImageNet
    negatives=16_384,
    projection=128,
    temperature=0.07,
    momentum=0.5,
    student=dict(arch=None, zero_init_last=False),
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
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=1e-4)
)
train_cfg = dict(max_epochs=100)
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[30, 60, 90], gamma=0.1)]
