"""The order of the images in an epoch."""

import math
from collections.abc import Iterator

import torch
from torch.utils.data import Dataset, Sampler

from distill.data.unlabelled import mix_seed
from distill.distributed import rank, world_size
from distill.registry import SAMPLERS


@SAMPLERS.register_module()
class EpochSampler(Sampler):
    """Yields ``(epoch, index)``: a permutation of the data set that depends on ``(seed, epoch)`` alone.

    Processes take turns (process r of W gets places r, r + W, ...). The end is filled from the beginning, so
    that all get equally many and no last batch has a single image a process, for which batch norm has no
    variance. ``skip`` leaves out what a resumed epoch has already seen.

    Args:
        batch_size: of a process; None: unknown, and the last batch may have a single image.
    """

    def __init__(
        self, dataset: Dataset, shuffle: bool = True, seed: int | None = None, batch_size: int | None = None
    ):
        self.dataset, self.shuffle, self.seed, self.batch_size = dataset, shuffle, seed or 0, batch_size
        self.epoch, self.start = 0, 0

    @property
    def ends_in_one(self) -> bool:
        """Whether the last batch would have one image a process where the others have more."""
        return bool(self.batch_size) and self.batch_size > 1 and self._share() % self.batch_size == 1

    def _share(self) -> int:
        return math.ceil(len(self.dataset) / world_size())

    def __len__(self) -> int:
        return self._share() + self.ends_in_one

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def skip(self, samples: int) -> None:
        """Leaves out the first ``samples`` of this process in the next pass only."""
        self.start = samples

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = torch.arange(len(self.dataset))
        if self.shuffle:
            generator = torch.Generator().manual_seed(mix_seed(self.seed, self.epoch))
            order = torch.randperm(len(self.dataset), generator=generator)
        places = (torch.arange(len(self)) * world_size() + rank()) % len(order)
        start, self.start = self.start, 0
        epoch = self.epoch
        for index in order[places][start:].tolist():
            yield epoch, index
