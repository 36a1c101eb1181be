"""A Semantic FPN that learns the demo scenes in about a minute on two CPU cores."""

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
    "dataloader.train.mapper.augmentations.1.crop_size=[128,128]",
    "dataloader.train.mapper.augmentations.2.prob=0.0",  # a mirrored 2 is no 2
    "dataloader.test.mapper.augmentations.0.short_edge_length=128",
    "dataloader.test.mapper.augmentations.0.max_size=160",
    "model.backbone.out_channels=64",
    "model.sem_seg_head.conv_dims=64",
]
