"""An epoch has the same pictures for any number of workers and processes, and after a resume."""

import pytest
import torch
from torch.utils.data import DataLoader

from distill.data.device_views import ViewPreprocessor
from distill.data.sampler import EpochSampler
from distill.data.unlabelled import UnlabelledImages, collate_views
from tests import processes

VIEW = dict(type="MultiCrop", size=32, small_views=2)
EPOCH = 3


def epoch(root: str, cut_only: bool, workers: int = 0, skip: int = 0, batch: int = 4) -> dict[int, list]:
    """Image -> its views, finished where ``cut_only`` says, of this process's share of an epoch."""
    images = UnlabelledImages(root, VIEW, seed=5)
    images.cut_only = cut_only
    sampler = EpochSampler(images, seed=5)
    sampler.set_epoch(EPOCH)
    sampler.skip(skip)
    loader = DataLoader(images, batch, sampler=sampler, num_workers=workers, collate_fn=collate_views)
    found = {}
    for data in map(ViewPreprocessor(), loader):
        for place, index in enumerate(data["index"].tolist()):
            found[index] = [view[place] for view in data["views"]]
    return found


def assert_same(found: dict, expected: dict) -> None:
    assert found and found.keys() <= expected.keys()
    for index, views in found.items():
        assert all(map(torch.equal, views, expected[index])), index


@pytest.fixture(scope="module", params=[False, True], ids=["worker", "device"])
def cut_only(request) -> bool:
    return request.param


@pytest.fixture(scope="module")
def expected(image_folder, cut_only) -> dict:
    found = epoch(str(image_folder), cut_only)
    assert len(found) == 24
    return found


@pytest.mark.parametrize(("workers", "batch"), [(1, 4), (2, 4), (2, 7)])
def test_workers_and_batches_change_nothing(workers, batch, image_folder, cut_only, expected):
    found = epoch(str(image_folder), cut_only, workers, batch=batch)
    assert len(found) == 24
    assert_same(found, expected)


def test_a_resumed_epoch_has_the_rest(image_folder, cut_only, expected):
    found = epoch(str(image_folder), cut_only, workers=2, skip=10)
    assert list(found) == list(expected)[10:]
    assert_same(found, expected)


def test_two_processes_have_a_half_each(image_folder, cut_only, expected, tmp_path):
    first, second = processes.in_two(epoch_of_one, tmp_path, str(image_folder), cut_only)
    assert first.keys() | second.keys() == expected.keys() and not first.keys() & second.keys()
    assert_same(first | second, expected)


def epoch_of_one(rank: int, root: str, cut_only: bool) -> dict:
    return epoch(root, cut_only, workers=1)
