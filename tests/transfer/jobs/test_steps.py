"""Batches that begin at any step: the same as those of a run from the first, and nothing before is read."""

import itertools
import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from transfer.jobs.steps import StepLoader


class Drawn(Dataset):
    """Number -> (number, three draws); counts what is read."""

    read = 0

    def __getitem__(self, number: int) -> tuple:
        self.read += 1
        return number, random.random(), np.random.rand(), float(torch.rand(()))


def batches():
    """Two by two, without end, in another order every time round."""
    order = np.random.default_rng(0)
    while True:
        yield from order.permutation(6).reshape(3, 2).tolist()


def taken(dataset: Drawn, first: int, steps: int, workers: int = 0, process: int = 0) -> list:
    """The batches, with what the training process itself would draw in that step."""
    loader = StepLoader(dataset, batches(), 3, process, first, num_workers=workers, collate_fn=list)
    return [(batch, float(torch.rand(())), np.random.rand()) for batch in itertools.islice(loader, steps)]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_from_step_5_sees_and_draws_what_a_whole_one_does(workers):
    assert taken(Drawn(), 5, 4, workers) == taken(Drawn(), 0, 9)[5:]


def test_what_was_trained_on_is_not_read_again():
    dataset = Drawn()
    taken(dataset, 1000, 2)
    assert dataset.read <= 2 * 3, "two batches of two, and at most one ahead"


def test_another_process_draws_otherwise():
    assert taken(Drawn(), 0, 1) != taken(Drawn(), 0, 1, process=1)
