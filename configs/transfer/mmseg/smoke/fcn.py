"""An FCN that learns the demo scenes in about a minute on two CPU cores."""

custom_imports = dict(
    imports=["transfer.frameworks.mmseg.adapter", "transfer.frameworks.mmseg.losses"],
    allow_failed_imports=False,
)
benchmark = dict(seeds=1, source="a quick try, not the benchmark")

# Most of a scene is background: without weights, so few steps end with nothing else.
loss = dict(_delete_=True, type="BalancedCrossEntropy", background_weight=0.15)
model = dict(
    data_preprocessor=dict(size=(128, 128)),
    backbone=dict(output_stride=16),
    decode_head=dict(loss_decode=dict(loss, loss_weight=1.0)),
    auxiliary_head=dict(loss_decode=dict(loss, loss_weight=0.4)),
)
# In so few steps SGD stays close to all background.
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=2e-3, weight_decay=5e-4))
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        pipeline={  # digits scale and mirror badly
            "2": dict(scale=(512, 128), ratio_range=(0.8, 1.25)),
            "3": dict(crop_size=(128, 128)),
            "4": dict(prob=0.0),
        }
    ),
)
test_dataloader = dict(dataset=dict(pipeline={"1": dict(scale=(512, 128))}))
auto_scale_lr = dict(base_batch_size=8)
train_cfg = dict(max_iters=120, val_interval=120)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=10),
    dict(type="PolyLR", power=1.0, eta_min=1e-5, begin=0, end=120, by_epoch=False),
]
