"""What all runs share: loop, checkpoints, logs. Schedules and models are the methods' own."""

default_scope = "distill"
# mmengine's own loop; the hooks below make it repeatable and recoverable
custom_hooks = [
    dict(type="QuietStartHook"),
    dict(type="RepeatableHook"),
    dict(type="ProgressHook"),
    dict(type="UnreadableImageHook"),
    dict(type="FiniteLossHook", interval=50),
    dict(type="ExportHook"),
    dict(type="WatchHook"),
]
default_hooks = dict(
    runtime_info=dict(type="LossHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, ignore_last=False),
    line=dict(type="LineHook"),  # within an epoch
    collapse=dict(type="CollapseHook", images=256),  # looks at features without labels; images=0: never
    param_scheduler=dict(type="ParamSchedulerHook"),
    # for long epochs: by_epoch=False and an interval in steps; a run resumes from any step. The newest two
    # stay (-1: all); while another is written the disk holds three
    checkpoint=dict(type="TrainingStateHook", interval=1, by_epoch=True, max_keep_ckpts=2),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
train_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type="EpochSampler", shuffle=True),
    collate_fn=dict(type="collate_views"),
)
# colour, blur and flip of the views: "device", a batch at a time; "worker"; "auto": on the device if it is a GPU
augment_on = "auto"
compile_networks = False  # torch.compile, for all backbones
train_cfg = dict(by_epoch=True)
visualizer = dict(
    type="Visualizer", vis_backends=[dict(type="LocalVisBackend"), dict(type="TensorboardVisBackend")]
)
env_cfg = dict(cudnn_benchmark=True, dist_cfg=dict(backend="nccl"))
log_processor = dict(type="StepLog", by_epoch=True)
log_level = "INFO"
randomness = dict(seed=0)
