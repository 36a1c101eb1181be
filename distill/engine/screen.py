"""What the screen shows within an epoch: on a terminal a line rewritten in place, else one at times."""

from __future__ import annotations

import logging
import shutil
import time
from datetime import timedelta

from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from distill.distributed import rank
from distill.engine.step_log import WatchHook, shown
from distill.registry import HOOKS
from distill.settings import NotNegative


def screen_handlers(logger: MMLogger) -> list[logging.Handler]:
    """Handlers that write to the terminal."""
    return [h for h in logger.handlers if type(h) is logging.StreamHandler]


@HOOKS.register_module()
class LineHook(Hook):
    """Says within an epoch how far it is: time left, images a second, share of waiting for data, loss.

    A terminal has one line, which is rewritten in place. Elsewhere (a file, a pipe) lines are added to the
    log where it has said nothing for a while. Only the first process does so. The loss is the step's; it is
    read only when it is shown, because reading it waits for the GPU.

    Args:
        rewrite: seconds, at least, before the line on a terminal is written again.
        add: seconds without a line of the log, at least, before one is added elsewhere.
    """

    priority = "NORMAL"  # before the logger's, whose line begins the figures anew

    def __init__(self, rewrite: NotNegative = 0.5, add: NotNegative = 30.0):
        self.rewrite, self.add = rewrite, add
        self.width, self.stream = 0, None  # of what stands on the terminal, and where that is

    def before_train(self, runner: Runner) -> None:
        self.said = time.perf_counter()
        self.every = self.add
        for handler in screen_handlers(runner.logger):
            if handler.stream.isatty():
                self.every, self.stream = self.rewrite, handler.stream
            handler.addFilter(self._give_way)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if time.perf_counter() - self.said < self.every or rank() != 0:
            return
        line = _line(runner, outputs["loss"].item())
        if self.stream is None:
            runner.logger.info(line)
        else:
            self._write(line)
        self.said = time.perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        self.erase()

    def erase(self) -> None:
        """Leaves the terminal to others."""
        if self.width:
            self._write("")

    def _write(self, line: str) -> None:
        line = line[: shutil.get_terminal_size().columns - 1]  # a line that wraps cannot be rewritten
        print(f"\r{line:<{self.width}}" if line else f"\r{'':<{self.width}}\r", end="", file=self.stream)
        self.stream.flush()
        self.width = len(line)

    def _give_way(self, record: logging.LogRecord) -> bool:
        """Before a line of the log is written."""
        self.erase()
        self.said = time.perf_counter()
        return True


def _line(runner: Runner, loss: float) -> str:
    """As ``Epoch(train) [1][12/79]  eta: 4:33:00 (epoch 0:02:01)  81 images/s  waiting 3%  1 GB  loss: 2``.

    The rates are those since the last line of the logger.
    """
    length = len(runner.train_dataloader)
    done = runner.iter + 1 - runner.epoch * length
    left, eta = runner.max_iters - runner.iter - 1, runner.message_hub.get_info("eta")
    of_epoch = eta * (length - done) / left if left else 0
    eta, of_epoch = (timedelta(seconds=int(seconds)) for seconds in (eta, of_epoch))
    rates = [shown(hook.figures()) for hook in runner.hooks if isinstance(hook, WatchHook)]
    place = f"Epoch(train) [{runner.epoch + 1}][{done}/{length}]"
    return "  ".join([place, f"eta: {eta} (epoch {of_epoch})", *rates, f"loss: {loss:.4f}"])
