"""SimCLR, published settings for small batches: LARS, lr 0.3 x batch / 256, 10 epochs of warm-up.

Weight decay is the paper's 1e-6 (section 2.2). The authors' README had it at first too, and now runs ImageNet with
1e-4: ``optim_wrapper.optimizer.weight_decay=1e-4``.
The last batch norm of each residual block starts at 0, as in the authors' code (resnet.py) and in timm.
"""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
sync_batch_norm = True  # over the GPUs (section 2.2): statistics of one GPU would tell which views are a pair
model = dict(
    type="SimCLR",
    projection=128,
    temperature=0.1,
    head_norm=False,  # True: batch norms in the head, as in the authors' code
    student=dict(arch=None),
)
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(type="SimCLRAugmentation", size=224, strength=1.0, scale=(0.08, 1.0), blur=0.5),
    )
)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="LARS", lr=0.3, momentum=0.9, weight_decay=1e-6),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
train_cfg = dict(max_epochs=200)
param_scheduler = [
    dict(type="LinearLR", by_epoch=True, begin=0, end=10, start_factor=0.01, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=10, end=200, T_max=190, convert_to_iter_based=True),
]
