"""SwAV, published settings for batches of 256 (the authors' code; 200 epochs).

The last batch norm of each residual block starts at 1 (``zero_init_last=False``), as in the authors' code;
timm's start at 0.
"""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
sync_batch_norm = True  # over the GPUs
model = dict(
    type="SwAV",
    hidden=2048,
    projection=128,
    prototypes=3000,
    temperature=0.1,
    epsilon=0.05,
    iterations=3,
    queue_length=3840,  # 15 batches
    queue_start_epoch=15,
    prototypes_frozen_until_epoch=1.0,  # 5005 steps
    student=dict(  # the authors' own std
        arch=None, zero_init_last=False, mean=(0.485, 0.456, 0.406), std=(0.228, 0.224, 0.225)
    ),
)
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(
            type="MultiCrop", size=224, small_views=6, scale=(0.14, 1.0), small_scale=(0.05, 0.14)
        ),
    )
)
# biases and norms decay and adapt like all other parameters, as in the authors' code
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="LARS", lr=0.6, momentum=0.9, weight_decay=1e-6, trust_coeff=1e-3),
)
train_cfg = dict(max_epochs=200)
param_scheduler = [  # no warm-up; 0.6 -> 0.0006
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        begin=0,
        end=200,
        T_max=200,
        eta_min_ratio=0.001,
        convert_to_iter_based=True,
    )
]
