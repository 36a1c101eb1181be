"""Training batches of a run that counts in steps: what a step sees and draws follows from its number."""

import random
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from distill.data.unlabelled import mix_seed
from distill.data.workers import ending_with_us


class StepLoader:
    """A framework's data set in batches without end, which may begin at any step.

    Before a batch is read, and again before it is handed out, all random states are seeded by the run's seed,
    the step and the process: so a resumed run, with any number of workers, draws what an uninterrupted one
    draws. The batches before ``first`` are counted and not read.

    Args:
        dataset: number -> item.
        batches: lists of such numbers, the same ones in the same order in every run of this seed.
        seed: of the run.
        process: the rank of this one.
        first: steps that are done.
        options: of ``DataLoader``.
    """

    def __init__(
        self,
        dataset: Dataset,
        batches: Iterable[list[int]],
        seed: int,
        process: int,
        first: int = 0,
        **options,
    ):
        self.items, self.batches = _Items(dataset, seed, process), batches
        self.first, self.options = first, {"worker_init_fn": ending_with_us(), **options}

    def __iter__(self) -> Iterator:
        numbered = islice(enumerate(self.batches), self.first, None)
        loader = DataLoader(self.items, batch_sampler=numbered, **self.options)
        for step, batch in enumerate(loader, self.first):
            self.items.seed(step)
            yield batch


class _Items(Dataset):
    """The items of (step, numbers), drawn as that step draws them."""

    def __init__(self, dataset: Dataset, seed: int, process: int):
        self.dataset, self.seeds = dataset, (seed, process)

    def seed(self, step: int) -> None:
        seed, process = self.seeds
        mixed = mix_seed(seed, step, process)
        random.seed(mixed)
        np.random.seed(mixed % 2**32)
        torch.manual_seed(mixed)

    def __getitems__(self, batch: tuple[int, list[int]]) -> list:
        step, numbers = batch
        self.seed(step)
        return [self.dataset[number] for number in numbers]
