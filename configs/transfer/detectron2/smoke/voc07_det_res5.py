"""A Faster R-CNN C4 small enough to learn the demo scenes in about a minute on two CPU cores."""

benchmark = dict(seeds=1, source="a quick try, not the benchmark")

# In the grammar of Detectron2's command line.
overrides = [
    "train.max_iter=90",
    "train.reference_world_size=1",
    "train.precise_bn=0",
    "lr_multiplier.scheduler.milestones=[75,90]",
    "lr_multiplier.scheduler.values=[1.0,0.1]",
    "lr_multiplier.warmup_length=0.1112",  # 10 steps
    "dataloader.train.total_batch_size=4",
    "dataloader.train.mapper.augmentations.0.short_edge_length=[128]",
    "dataloader.train.mapper.augmentations.0.max_size=160",
    "dataloader.train.mapper.augmentations.1.prob=0.0",  # a mirrored 2 is no 2
    "dataloader.test.mapper.augmentations.0.short_edge_length=128",
    "dataloader.test.mapper.augmentations.0.max_size=160",
    "model.proposal_generator.anchor_generator.sizes=[[16,24,36,54]]",
    "model.proposal_generator.head.num_anchors=12",
    "model.proposal_generator.post_nms_topk=[2000,60]",
    "model.roi_heads.batch_size_per_image=32",
    "model.roi_heads.pooler.output_size=7",
]
