"""MoCo v2, published settings (Chen et al., 2020; the authors' code).

Never with ``sync_batch_norm``: keys are mixed between processes so that their batch norms see other images.

The last batch norm of each residual block starts at 1 (``zero_init_last=False``), as in torchvision's
networks, which the authors' code takes; timm's start at 0.
"""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
model = dict(
    type="MoCo",
    projection=128,
    queue_length=65_536,
    temperature=0.2,
    momentum=0.999,
    shuffle_groups=8,  # for one process; several mix their keys
    student=dict(arch=None, zero_init_last=False),
)
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(type="MoCoV2Augmentation", size=224, scale=(0.2, 1.0), views=2),
    )
)
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.03, momentum=0.9, weight_decay=1e-4)
)
train_cfg = dict(max_epochs=200)
param_scheduler = [  # no warm-up
    dict(type="CosineAnnealingLR", by_epoch=True, begin=0, end=200, T_max=200, convert_to_iter_based=True)
]
