"""OSS with a frozen SwAV teacher, published settings: appendix A.8. 130 epochs, as in CompRess."""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
sync_batch_norm = True  # over the GPUs
model = dict(
    type="OSSOffline",
    dropout=(0.1, 0.05),  # hidden layer and output of the student's head
    own_copy=False,  # True: the pseudo-code's sum to the letter
    hidden=2048,
    temperature=0.1,
    epsilon=0.05,
    iterations=3,
    queue_length=3840,  # 15 batches
    queue_start_epoch=15,
    student=dict(arch=None, mean=(0.485, 0.456, 0.406), std=(0.228, 0.224, 0.225)),
    teacher=dict(weights=None, output="head"),
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
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="LARS", lr=0.6, momentum=0.9, weight_decay=1e-6, trust_coeff=1e-3),
)
train_cfg = dict(max_epochs=130)
param_scheduler = [  # no warm-up; 0.6 -> 0.0006
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        begin=0,
        end=130,
        T_max=130,
        eta_min_ratio=0.001,
        convert_to_iter_based=True,
    )
]
