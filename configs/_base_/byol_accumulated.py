"""BYOL with gradients of 16 batches of 256 accumulated to the paper's 4096: its settings for 300 epochs.

Learning rate 0.3 x 4096 / 256, weight decay 1e-6, momentum 0.99 (the authors' code; appendix G.2 on
accumulation). Batch norm sees batches of 256. The schedule counts batches, 16 an optimiser step.

A training state does not hold the gradients accumulated so far, so a run resumes bit for bit only from
states at multiples of 16 batches. States are therefore written by steps, not at the end of an epoch; keep
``interval`` a multiple of ``accumulative_counts``. From another state the next update lacks a few batches.
"""

_base_ = "./byol.py"

model = dict(momentum=0.99)
optim_wrapper = dict(accumulative_counts=16, optimizer=dict(lr=4.8, weight_decay=1e-6))
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=800))  # 50 optimiser steps
train_cfg = dict(max_epochs=300)
param_scheduler = [
    dict(type="LinearLR", by_epoch=True, begin=0, end=10, start_factor=0.01, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=10, end=300, T_max=290, convert_to_iter_based=True),
]
