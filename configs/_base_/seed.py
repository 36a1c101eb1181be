"""SEED, published settings; MoCo-v2's augmentation.

The released code warms up from 0.03 to the learning rate of the batch in five epochs: at a batch of 256 it holds 0.03,
then a cosine follows. (Its cosine is counted from epoch 0 and so starts at 0.9985 of 0.03; here it counts from 5.)

The last batch norm of each residual block starts at 1 (``zero_init_last=False``), as in the authors' code;
timm's start at 0.
"""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
model = dict(
    type="SEED",
    queue_length=65_536,
    student_temperature=0.2,
    teacher_temperature=1e-4,  # the released code's; the paper's text also quotes 0.01
    student=dict(arch=None, zero_init_last=False),
    teacher=dict(weights=None, output="auto"),
)
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(type="MoCoV2Augmentation", size=224, scale=(0.2, 1.0)),
    )
)
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.03, momentum=0.9, weight_decay=1e-4)
)
train_cfg = dict(max_epochs=200)
param_scheduler = [  # for larger batches a LinearLR from epoch 0 to 5, start_factor 256 / batch
    dict(type="CosineAnnealingLR", by_epoch=True, begin=5, end=200, T_max=195, convert_to_iter_based=True)
]
