"""Hooks that make a run repeatable and recoverable, and that report unreadable images."""

import logging
import math
import os

import torch
from mmengine.dist import all_gather_object
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from distill.backbones import Backbone
from distill.checkpoints import save_student
from distill.data.images import too_many_unreadable
from distill.data.unlabelled import collate_views, mix_seed
from distill.distributed import rank, world_size
from distill.engine import plain_state  # noqa: F401  registers hooks, those of transfer among them
from distill.engine.screen import screen_handlers
from distill.errors import UserError
from distill.methods.base import Method, Progress, TrainedNetwork
from distill.registry import HOOKS, root
from distill.results.atomic import write_bytes, write_text

root.FUNCTIONS.register_module(module=collate_views)


# how log lines begin that are not shown: remarks for mmengine's developers, a name repeated every epoch
UNHELPFUL = ('"FileClient" will be', '"HardDiskBackend" is', "Exp name:")


class AtomicBackend(LocalBackend):
    """mmengine's local files, written whole or not at all."""

    def put(self, obj: bytes | memoryview, filepath: str) -> None:
        write_bytes(filepath, obj)

    def put_text(self, obj: str, filepath: str, encoding: str = "utf-8") -> None:
        write_text(filepath, obj)


register_backend("atomic", AtomicBackend, force=True)


def method_of(runner: Runner) -> Method:
    """The method in training, without the wrapper that distributes it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


@HOOKS.register_module()
class QuietStartHook(Hook):
    """Opens the screen to log lines while training lasts; mmengine's other ones are in the log file."""

    priority = "LOWEST"

    def before_train(self, runner: Runner) -> None:
        if rank() != 0:
            return  # only the first process writes to the screen
        for handler in screen_handlers(runner.logger):
            handler.setLevel(runner.logger.level)
            handler.setFormatter(logging.Formatter("%(message)s"))
            handler.addFilter(lambda record: not record.getMessage().startswith(UNHELPFUL))

    def after_run(self, runner: Runner) -> None:
        for handler in screen_handlers(runner.logger):
            handler.setLevel(logging.ERROR)


@HOOKS.register_module()
class RepeatableHook(Hook):
    """All randomness is a function of (seed, step, process), so nothing needs saving for a resume.

    Views depend on (seed, epoch, image) alone already. After a resume in mid-epoch the sampler leaves out
    the images that the epoch has seen.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        # a state of an epoch's last step leaves no images, but the hooks at the end of the epoch still run
        done = runner.iter - runner.epoch * len(loader)
        loader.sampler.skip(done * loader.batch_sampler.batch_size)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        torch.manual_seed(mix_seed(runner.seed, runner.iter, rank()))


@HOOKS.register_module()
class ProgressHook(Hook):
    """Tells the method before every step how far the run is, and its seed."""

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        method_of(runner).progress = Progress(
            step=runner.iter,
            steps=runner.max_iters,
            epochs=runner.max_epochs,
            updated=runner.optim_wrapper.should_update(),
            seed=runner.seed,
        )


@HOOKS.register_module()
class UnreadableImageHook(Hook):
    """Names every image that could not be read, in whichever process, and ends the run above 1 % of all.

    Args:
        interval: steps between exchanges of several processes; a single process reports at once.
    """

    def __init__(self, interval: int = 50):
        self.interval = interval
        self.paths: set[str] = set()
        self.untold: set[str] = set()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self.untold |= set(data_batch["unreadable"])
        if world_size() == 1 or self.every_n_train_iters(runner, self.interval):
            self._tell(len(runner.train_dataloader.dataset))

    def after_train_epoch(self, runner: Runner) -> None:
        self._tell(len(runner.train_dataloader.dataset))

    def _tell(self, images: int) -> None:
        new = set().union(*all_gather_object(self.untold)) - self.paths
        self.untold = set()
        if not new:
            return
        self.paths |= new
        for path in sorted(new):
            print_log(f"skipped, could not be read: {path}", logger="current", level=logging.WARNING)
        if error := too_many_unreadable(sorted(self.paths), images):
            raise error

    def after_train(self, runner: Runner) -> None:
        if self.paths:
            note = f"{len(self.paths)} images could not be read and were skipped"
            print_log(note, logger="current", level=logging.WARNING)


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Ends the run when the loss is not finite, before a training state or a student is written.

    Args:
        interval: steps between two looks within an epoch; each look waits for the GPU.
    """

    priority = "HIGH"

    def __init__(self, interval: int = 50):
        self.interval = interval
        self.loss, self.step = torch.zeros(()), 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        self.loss, self.step = outputs["loss"].detach(), runner.iter + 1
        if self.every_n_train_iters(runner, self.interval):
            self._look()

    def after_train_epoch(self, runner: Runner) -> None:
        self._look()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._look()

    def _look(self) -> None:
        loss = float(self.loss)
        if not math.isfinite(loss):
            raise UserError(
                f"the loss became {loss} at step {self.step}; try a "
                "lower optim_wrapper.optimizer.lr or optim_wrapper.clip_grad.max_norm=1, and --resume"
            )


@HOOKS.register_module()
class ExportHook(Hook):
    """Writes what the method ``exports``, as ``last.pth`` with the student, after every epoch."""

    priority = "LOWEST"

    def before_train(self, runner: Runner) -> None:
        if runner.epoch == runner.max_epochs:  # the run ended between its last state and this
            self._export(runner, runner.epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        self._export(runner, runner.epoch + 1)

    def _export(self, runner: Runner, epochs: int) -> None:
        if rank() != 0:
            return
        for stem, network in method_of(runner).exports().items():
            export(runner, stem, network, epochs)


def export(runner: Runner, stem: str, network: TrainedNetwork, epochs: int, **more) -> None:
    """Writes ``network``, trained for ``epochs``, as ``STEM.pth`` into the run's folder."""
    backbone, head, prototypes = network
    save_student(
        os.path.join(runner.work_dir, f"{stem}.pth"),
        backbone.net,
        backbone.arch,
        backbone.mean.flatten().tolist(),
        backbone.std.flatten().tolist(),
        runner.train_dataloader.dataset.augmentation.size,
        head=None if head is None else head.state_dict(),
        prototypes=prototypes,
        meta={
            "init": init_of_trained(method_of(runner), backbone),
            "method": type(method_of(runner)).__name__,
            "run": os.path.basename(runner.work_dir),
            "epochs": epochs,
            "steps": runner.iter,
            "seed": runner.seed,
            **more,
        },
    )


def init_of_trained(method: Method, backbone: Backbone) -> str:
    """How a network was trained, as result rows say it: supervised, distilled or self-supervised."""
    if method.supervised:
        return "supervised"
    taught = method.teacher is not None or hasattr(method, "online_teacher")
    return "distilled" if taught and backbone is method.student else "self-supervised"
