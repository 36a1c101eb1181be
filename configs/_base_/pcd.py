"""PCD, published settings (authors' released code; appendix): LARS, lr 1.0 x batch / 256, BYOL's views.

The teacher is in eval mode: we read the paper's frozen teacher so, and SpatialAdaptor's invariant needs it. The
released code never calls ``eval()`` on it, so that its batch norms use the batch; which of the two made the
published numbers is not known. ``teacher.batch_statistics=True`` repeats the code.

LARS applies its trust ratio after momentum (``scale_step``), as in the released code. There the student's projector
and predictor have biases if the teacher is BYOL's or SwAV's (``biases``).

The last batch norm of each residual block starts at 1 (``zero_init_last=False``), as in the released code;
timm's start at 0.
"""

_base_ = "./runtime.py"

batch_size = 1024  # over all processes
model = dict(
    type="PCD",
    view_pairing="cross",  # released code; "same": both networks see the same view
    symmetric=True,  # False: one direction alone
    vectorised=False,
    queue_length=65_536,
    temperature=0.2,
    hidden=4096,  # of MoCo-v3's and BYOL's heads; SwAV's 2048, Barlow Twins' (8192, 8192)
    biases="none",  # of MoCo-v3's and Barlow Twins' heads; BYOL's "hidden", SwAV's "all"
    attention_width=64,
    last_norm=False,  # released code: MoCo-v3's head without the batch norm at its end
    student=dict(arch=None, zero_init_last=False),
    teacher=dict(weights=None, output="head", batch_statistics=False),
)
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(type="BYOLAugmentation", size=224, scale=(0.08, 1.0)),
    )
)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(
        type="LARS", lr=4.0, momentum=0.9, weight_decay=1e-5, trust_coeff=1e-3, scale_step=True
    ),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
train_cfg = dict(max_epochs=100)
param_scheduler = [
    dict(type="LinearLR", by_epoch=True, begin=0, end=10, start_factor=0.01, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=10, end=100, T_max=90, convert_to_iter_based=True),
]
