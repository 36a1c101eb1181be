"""A look at the student's features while it trains, without labels: does it learn, or does it collapse?"""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from distill.distributed import rank
from distill.engine.hooks import method_of
from distill.evaluation.random_state import untouched_random_state
from distill.evaluation.spread import by_the_batch, mean_cosine, rankme, shared_neighbours
from distill.features import Pictures
from distill.registry import HOOKS
from distill.settings import Number
from distill.targets.base import Target

EARLY = (0.025, 0.05, 0.075, 0.1)  # of the run: when to look besides the ends of epochs
# what a collapse looks like: docs/results.md has the figures
LEAST_OF_START, LEAST_RANK, LARGEST_COSINE = 0.5, 2.0, 0.99
REMEDY = "try a lower optim_wrapper.optimizer.lr, a longer warm-up, a student with batch norm or a teacher"


@HOOKS.register_module()
class CollapseHook(Hook):
    """Looks at the student's features of some training images.

    It does so before the first step, four times in the first tenth of the run and after every epoch. A line
    and scalars tell ``features/effective_rank`` (RankMe), ``features/mean_cosine`` of different images and,
    if there is a teacher, ``features/shared_neighbours``, the share of an image's 10 nearest others that are
    so by the teacher's features as well. If they look like a collapse, one line warns of it, once.

    The images are evenly spaced, each in one plain view (a centre crop as large as the first training view).
    The student is a copy in eval mode whose batch norms use the batch's statistics. The first process alone
    looks. Training is the same, bit for bit, with and without this hook.

    Args:
        images: how many; 0: never look.
    """

    priority = "LOW"

    def __init__(self, images: Number = 256):
        self.images = images
        self.start, self.warned = None, False  # effective rank before the first step; whether it has warned

    def before_train(self, runner: Runner) -> None:
        method, data = method_of(runner), runner.train_dataloader.dataset
        count = min(self.images, len(data))
        self.looks = rank() == 0 and count > 1 and not method.supervised
        if not self.looks:
            return
        self.steps = {max(1, round(share * runner.max_iters)) for share in EARLY}
        # a pass without gradients takes less memory than a step of a quarter of its images
        self.parts = max(1, round(count / (4 * runner.train_dataloader.batch_sampler.batch_size)))
        numbers = torch.linspace(0, len(data) - 1, count).round().long().tolist()
        with untouched_random_state():
            pictures = Pictures(data.images, {"type": "CentreCrop", "size": data.augmentation.sizes[0]})
            self.views = torch.stack([pictures[number][1] for number in numbers])
            if method.teacher is not None and not method.teacher.trains:
                self.targets = self._targets(method.teacher, numbers)
        if runner.iter == 0:
            self._look(runner, 0)

    def _targets(self, teacher: Target, numbers: list[int]) -> Tensor:
        """A frozen teacher's embeddings of the images, from its cache where it has one."""
        if teacher.rows is None:
            return self._features(teacher)
        return torch.stack([torch.from_numpy(teacher.rows[number]) for number in numbers]).float()

    def _features(self, network: nn.Module) -> Tensor:
        """(N, width) float32 on the CPU."""
        device = next(network.parameters()).device
        with torch.no_grad():
            parts = [network(part.to(device)) for part in self.views.tensor_split(self.parts)]
        return torch.cat(parts).float().cpu()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        step = runner.iter + 1
        if self.looks and step in self.steps and step % len(runner.train_dataloader):
            self._look(runner, step)

    def after_train_epoch(self, runner: Runner) -> None:
        if self.looks:
            self._look(runner, runner.iter)

    def _look(self, runner: Runner, step: int) -> None:
        method = method_of(runner)
        with untouched_random_state():
            features = self._features(by_the_batch(method.student))
            if not features.isfinite().all():
                return  # FiniteLossHook ends such a run
            found = {"effective_rank": rankme(features), "mean_cosine": mean_cosine(features)}
            if method.teacher is not None:
                trains = method.teacher.trains
                targets = self._features(by_the_batch(method.teacher)) if trains else self.targets
                found["shared_neighbours"] = shared_neighbours(features, targets)
        if step == 0:
            self.start = found["effective_rank"]
        runner.visualizer.add_scalars({f"features/{name}": value for name, value in found.items()}, step=step)
        runner.logger.info(self._line(found, step, runner.max_iters))
        if not self.warned and (reason := self._collapse(found)):
            self.warned = True
            runner.logger.warning(f"the features look like a collapse: {reason}; {REMEDY}")

    def _line(self, found: dict[str, float], step: int, steps: int) -> str:
        start = "" if self.start is None or step == 0 else f" (at the start {self.start:.1f})"
        line = f"features of {len(self.views)} images after step {step} of {steps}: effective rank "
        line += f"{found['effective_rank']:.1f}{start}, mean cosine {found['mean_cosine']:.2f}"
        shared = found.get("shared_neighbours")
        return line if shared is None else f"{line}, {shared:.0%} of the neighbours are the teacher's"

    def _collapse(self, found: dict[str, float]) -> str:
        """What in the figures is a collapse; "" if nothing."""
        value, cosine = found["effective_rank"], found["mean_cosine"]
        if cosine > LARGEST_COSINE:
            return f"the mean cosine of different images is {cosine:.3f}"
        if value < LEAST_RANK:
            return f"their effective rank is {value:.1f}"
        if self.start is not None and value < LEAST_OF_START * self.start:
            return f"their effective rank fell from {self.start:.1f} to {value:.1f}"
        return ""

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint["collapse"] = {"start": self.start, "warned": self.warned}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        kept = checkpoint.get("collapse", {})
        self.start, self.warned = kept.get("start"), kept.get("warned", False)


