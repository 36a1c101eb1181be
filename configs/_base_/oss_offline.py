"""OSS with a frozen SwAV teacher, published settings: appendix A.8. SwAV's for batches of 256, but 130 epochs.

The last batch norm of each residual block starts at 1 (``zero_init_last=False``), as in SwAV's code, which
OSS builds on; timm's start at 0.
"""

_base_ = "./swav.py"

model = dict(
    _delete_=True,
    type="OSSOffline",
    dropout=(0.1, 0.05),  # hidden layer and output of the student's head
    own_copy=False,  # True: the pseudo-code's sum read literally
    hidden=2048,
    temperature=0.1,
    epsilon=0.05,
    iterations=3,
    queue_length=3840,  # 15 batches
    queue_start_epoch=15,
    student=dict(arch=None, zero_init_last=False, mean=(0.485, 0.456, 0.406), std=(0.228, 0.224, 0.225)),
    teacher=dict(weights=None, output="head"),
)
train_cfg = dict(max_epochs=130)
param_scheduler = [
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
