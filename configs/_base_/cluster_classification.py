"""Cluster classification (CC), published settings: CompRess appendix (baselines).

Momentum and weight decay are not stated; they are those of CompRess itself.
"""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
model = dict(
    type="ClusterClassification",
    clusters=16_000,
    iterations=20,  # of k-means, as in CompRess's released kmeans.py
    seed=0,
    student=dict(arch=None),
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
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4),  # lr 0.01: MobileNet-v2, AlexNet
)
train_cfg = dict(max_epochs=100)
param_scheduler = [
    dict(type="CosineAnnealingLR", by_epoch=True, begin=0, end=100, T_max=100, convert_to_iter_based=True)
]
