"""What the log says of a training step: losses, images a second, waiting for data, memory.

Hooks note it at every step; the line asks them when it is written. Nothing waits for a GPU in between.
"""

from __future__ import annotations

import re
import resource
import time

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.hooks.hook import Hook
from mmengine.runner import LogProcessor, Runner

from distill.distributed import world_size
from distill.registry import HOOKS, LOG_PROCESSORS

SECONDS = re.compile(r"time: \S+  data_time: \S+  (memory: \S+  )?")  # what mmengine shows instead

BASE_RATE = re.compile(r"base_lr: (\S+) (?=lr: \1 )")  # said twice where layers have groups of their own


@HOOKS.register_module()
class LossHook(RuntimeInfoHook):
    """Keeps the losses on the device until a line is due; mmengine's hook reads them at every step."""

    def __init__(self):
        self.kept: list[dict] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self.kept.append({name: value.detach() for name, value in outputs.items()})

    def hand_over(self, runner: Runner) -> None:
        """Gives mmengine's log all steps since the last time, in one transfer."""
        names = [name for step in self.kept for name in step]
        values = [value for step in self.kept for value in step.values()]
        self.kept = []
        for name, value in zip(names, torch.stack(values).tolist() if values else [], strict=True):
            runner.message_hub.update_scalar(f"train/{name}", value)


@HOOKS.register_module()
class WatchHook(Hook):
    """Measures, from line to line within an epoch, how fast images pass and how long they are waited for."""

    priority = "LOWEST"  # the time from one step to the next is the data loader's alone

    def before_train_epoch(self, runner: Runner) -> None:
        self.ended = time.perf_counter()
        self.begin()

    def begin(self) -> None:
        """From here on ``figures`` count."""
        self.since, self.waited, self.images = time.perf_counter(), 0.0, 0

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        self.waited += time.perf_counter() - self.ended
        self.images += len(data_batch["index"])

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self.ended = time.perf_counter()

    def figures(self) -> dict[str, float]:
        """Since ``begin``: images a second of all processes, and this one's share of the time waiting.

        ``memory`` is the process's peak in MB: what tensors take of its GPU, or its resident set.
        """
        seconds = time.perf_counter() - self.since
        if torch.cuda.is_initialized():
            memory = torch.cuda.max_memory_allocated() / 1e6
        else:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kilobytes on Linux
        return {
            "images_per_second": round(self.images * world_size() / seconds, 1),
            "waiting": round(self.waited / seconds, 4),
            "memory": round(memory),
        }


@LOG_PROCESSORS.register_module()
class StepLog(LogProcessor):
    """mmengine's lines with the figures of ``LossHook`` and ``WatchHook``, where a run has these hooks."""

    def get_log_after_iter(self, runner: Runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        for hook in runner.hooks:
            if isinstance(hook, LossHook):
                hook.hand_over(runner)
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        for hook in runner.hooks:
            if isinstance(hook, WatchHook):  # after the losses, so that a GPU has done its work
                found = hook.figures()
                hook.begin()
                tag.update(found)
                line = SECONDS.sub(shown(found) + "  ", line)
        return tag, BASE_RATE.sub("", line)


def shown(figures: dict[str, float]) -> str:
    """As ``812 images/s  waiting 3%  1.2 GB``."""
    rate = figures["images_per_second"]
    rate = f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
    return f"{rate} images/s  waiting {figures['waiting']:.0%}  {figures['memory'] / 1e3:.1f} GB"
