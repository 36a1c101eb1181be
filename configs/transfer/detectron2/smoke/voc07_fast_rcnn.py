"""A Fast R-CNN on small pictures, with few proposals: the demo scenes in a few minutes on two CPU cores."""

benchmark = dict(seeds=1, source="a quick try, not the benchmark")

# In the grammar of Detectron2's command line.
overrides = [
    "train.max_iter=60",
    "lr_multiplier.scheduler.milestones=[50,60]",
    "lr_multiplier.scheduler.values=[1.0,0.1]",
    "optimizer.lr=0.02",
    "dataloader.train.total_batch_size=4",
    "dataloader.train.mapper.augmentations.0.short_edge_length=[128]",
    "dataloader.train.mapper.augmentations.0.max_size=160",
    "dataloader.train.mapper.augmentations.1.prob=0.0",  # a mirrored 2 is no 2
    "dataloader.train.mapper.precomputed_proposal_topk=500",
    "dataloader.test.mapper.precomputed_proposal_topk=200",  # AlexNet's fc6 takes each
    "dataloader.test.mapper.augmentations.0.short_edge_length=128",
    "dataloader.test.mapper.augmentations.0.max_size=160",
    "model.roi_heads.batch_size_per_image=32",
    "model.roi_heads.proposal_matcher.thresholds=[0.01,0.5]",  # else a part of a small object is never background
]
