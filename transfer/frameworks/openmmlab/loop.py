"""Training in steps that goes on, after a resume, in the middle of the data."""

from collections.abc import Iterator
from itertools import count, islice

from mmengine.dist import get_rank
from mmengine.registry import LOOPS
from mmengine.runner.base_loop import BaseLoop
from torch import nn
from torch.utils.data import BatchSampler, DataLoader

from transfer.jobs.steps import StepLoader


@LOOPS.register_module()
class StepLoop(BaseLoop):
    """mmengine's ``IterBasedTrainLoop`` without validation; data set, sampler and collation are the config's.

    Theirs reads all earlier batches again when it resumes, with other draws.

    Args:
        max_iters: steps of the whole run.
    """

    def __init__(self, runner, dataloader: DataLoader | dict, max_iters: int):
        super().__init__(runner, dataloader)
        self.max_iters, self.max_epochs = max_iters, 1
        self._iter = self._epoch = 0  # a resume sets them

    @property
    def iter(self) -> int:
        return self._iter

    @property
    def epoch(self) -> int:
        return self._epoch

    def run(self) -> nn.Module:
        """Trains from the step that the runner was resumed from, or from the first."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        for batch in islice(self._batches(), self.max_iters - self._iter):
            self.runner.model.train()
            self._step(batch)
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def _step(self, batch: object) -> None:
        done = self._iter
        self.runner.call_hook("before_train_iter", batch_idx=done, data_batch=batch)
        outputs = self.runner.model.train_step(batch, optim_wrapper=self.runner.optim_wrapper)
        self.runner.call_hook("after_train_iter", batch_idx=done, data_batch=batch, outputs=outputs)
        self._iter += 1

    def _batches(self) -> StepLoader:
        given = self.dataloader
        return StepLoader(
            given.dataset, _endless(given.batch_sampler), self.runner.seed, get_rank(), first=self._iter,
            num_workers=given.num_workers, collate_fn=given.collate_fn, pin_memory=given.pin_memory,
        )  # fmt: skip


def _endless(batches: BatchSampler) -> Iterator[list[int]]:
    """One epoch after another; a sampler without epochs has no end by itself."""
    for epoch in count():
        batches.sampler.set_epoch(epoch)
        yield from batches
