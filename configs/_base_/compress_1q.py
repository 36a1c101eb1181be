"""CompRess-1q, published settings: CompRess section 4 ("Implementation details")."""

_base_ = "./runtime.py"

batch_size = 256  # over all processes
model = dict(
    type="CompRess",
    queues=1,
    queue_length=128_000,
    temperature=0.04,  # 0.007 for a SwAV teacher
    student=dict(arch=None),
    teacher=dict(weights=None, output="backbone"),
)
train_dataloader = dict(
    dataset=dict(
        type="UnlabelledImages",
        data_root=None,
        augmentation=dict(type="CropFlip", size=224, scale=(0.08, 1.0)),
    )
)
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=1e-4)
)
train_cfg = dict(max_epochs=130)
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[90, 120], gamma=0.2)]
