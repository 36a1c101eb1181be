"""Cluster classification (CC), published settings: CompRess appendix (baselines).

Momentum, weight decay, Nesterov and the norms without decay are those of CompRess's released train_kmeans.py.

The last batch norm of each residual block starts at 1 (``zero_init_last=False``), as in CompRess's code;
timm's start at 0.
"""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
model = dict(
    type="ClusterClassification",
    clusters=16_000,
    iterations=20,  # of k-means, as in CompRess's released kmeans.py
    seed=0,
    student=dict(arch=None, zero_init_last=False),
    teacher=dict(weights=None, output="backbone", cache=None),
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
    # lr 0.01: MobileNet-v2, AlexNet
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
train_cfg = dict(max_epochs=100)
param_scheduler = [
    dict(type="CosineAnnealingLR", by_epoch=True, begin=0, end=100, T_max=100, convert_to_iter_based=True)
]
