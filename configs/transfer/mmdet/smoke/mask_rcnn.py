"""A Mask R-CNN FPN small enough to learn the demo scenes in about a minute on two CPU cores."""

benchmark = dict(seeds=1, split_size=24, source="a quick try, not the benchmark")

roi_extractor = dict(out_channels=64, finest_scale=14)  # objects are small: every level sees some
model = dict(
    neck=dict(out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(
        bbox_roi_extractor=roi_extractor,
        bbox_head=dict(in_channels=64, fc_out_channels=256),
        mask_roi_extractor=roi_extractor,
        mask_head=dict(in_channels=64, conv_out_channels=64, num_convs=2),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=100, max_per_img=50),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=50, max_per_img=50)),
)
# In so few steps SGD does not get far.
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=1e-3, weight_decay=1e-4))
train_dataloader = dict(
    _delete_=True,
    batch_size=4,
    num_workers=0,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="CocoDataset",
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=[  # no flips: a mirrored 2 is no 2
            dict(type="LoadImageFromFile"),
            dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
            dict(type="Resize", scale=(160, 128), keep_ratio=True),
            dict(type="PackDetInputs"),
        ],
    ),
)
test_dataloader = dict(dataset=dict(pipeline={"1": dict(scale=(160, 128))}))
auto_scale_lr = dict(base_batch_size=4)
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=160, val_interval=160)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=15),
    dict(type="MultiStepLR", by_epoch=False, begin=0, end=160, milestones=[130], gamma=0.1),
]
