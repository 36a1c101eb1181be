"""A Mask R-CNN FPN small enough to learn the demo scenes in about a minute on two CPU cores."""

benchmark = dict(seeds=1, source="a quick try, not the benchmark")

# In the grammar of Detectron2's command line.
overrides = [
    "train.max_iter=120",
    "train.reference_world_size=1",
    "lr_multiplier.scheduler.milestones=[100,120]",
    "lr_multiplier.scheduler.values=[1.0,0.1]",
    "lr_multiplier.warmup_length=0.125",  # 15 steps
    "dataloader.train.total_batch_size=4",
    "dataloader.train.mapper.augmentations.0.short_edge_length=[128]",
    "dataloader.train.mapper.augmentations.0.max_size=160",
    "dataloader.train.mapper.augmentations.1.prob=0.0",  # a mirrored 2 is no 2
    "dataloader.train.mapper.instance_mask_format=bitmask",  # the demo's masks are run-length encoded
    "dataloader.test.mapper.augmentations.0.short_edge_length=128",
    "dataloader.test.mapper.augmentations.0.max_size=160",
    "model.proposal_generator.anchor_generator.sizes=[[16],[32],[64],[128],[256]]",
    "model.proposal_generator.post_nms_topk=[200,60]",
    "model.roi_heads.batch_size_per_image=32",
    "model.backbone.out_channels=64",
    "model.proposal_generator.head.in_channels=64",
    "model.roi_heads.box_head.input_shape.channels=64",
    "model.roi_heads.box_head.fc_dims=[256,256]",
    "model.roi_heads.box_predictor.input_shape.channels=256",
    "model.roi_heads.mask_head.input_shape.channels=64",
    "model.roi_heads.mask_head.conv_dims=[64,64]",
]
