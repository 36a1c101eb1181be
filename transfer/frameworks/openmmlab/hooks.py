"""What this project adds to a framework's run: progress lines, epochs' seeds, whole and plain checkpoints."""

import random

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import FUNCTIONS, HOOKS
from mmengine.runner import Runner, set_random_seed

from distill.engine import hooks  # noqa: F401  registers PlainStateHook and the atomic file backend
from transfer.jobs.progress import Progress


@HOOKS.register_module()
class TransferProgress(Hook):
    """Prints progress lines, and ends a run whose loss is not a number."""

    def before_train(self, runner: Runner) -> None:
        self.progress = Progress(runner.iter, runner.max_iters)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        loss = float(outputs["loss"])
        if loss != loss:
            raise FloatingPointError(f"the loss is not a number at step {runner.iter + 1}: lower the rate")
        self.progress.step(runner.iter + 1, loss)


@HOOKS.register_module()
class EpochSeeds(Hook):
    """What an epoch draws follows from seed, step and process alone, so that a resumed run draws the same."""

    def before_train_epoch(self, runner: Runner) -> None:
        set_random_seed((runner.seed * 1_000_003 + runner.iter + get_rank()) % 2**32)


@FUNCTIONS.register_module()
def seed_worker(worker_id: int) -> None:
    """Seeds a data-loading process by torch's own seed of it, which the main process draws every epoch.

    mmengine's own seeds it by its number alone: every epoch, and a resumed run, would draw the same again.
    """
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)
