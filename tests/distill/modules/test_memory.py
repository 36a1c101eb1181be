"""The queue (first in, first out, for any batch size) and the memory bank (a place for each sample)."""

import pytest
import torch

from distill.modules.ema import MovingAverage
from distill.modules.memory import MemoryBank, Queue


def rows(first: int, count: int) -> torch.Tensor:
    return torch.arange(first, first + count, dtype=torch.float32)[:, None].expand(count, 2)


@pytest.mark.parametrize("batches", [[3, 3, 3, 3], [4, 1, 7, 2, 5], [10], [25], [9, 30, 1]])
def test_holds_the_newest_embeddings_whatever_the_batch_sizes(batches):
    queue, seen = Queue(10, 2), 0
    for batch in batches:
        queue.enqueue(rows(seen, batch))
        seen += batch
    newest = set(range(max(0, seen - 10), seen))
    assert newest <= set(queue.anchors[:, 0].tolist())
    assert int(queue.pointer) == seen % 10


def test_the_oldest_rows_go_first():
    queue = Queue(4, 2)
    queue.enqueue(rows(0, 3))
    queue.enqueue(rows(3, 3))
    assert queue.anchors[:, 0].tolist() == [4, 5, 2, 3]


def test_starts_with_unit_vectors_and_is_part_of_the_saved_state():
    queue = Queue(6, 5)
    torch.testing.assert_close(queue.anchors.norm(dim=1), torch.ones(6))
    assert set(queue.state_dict()) == {"anchors", "pointer"}


def test_moving_average_follows_parameters_only():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    slow = MovingAverage(network, momentum=0.9)
    before = slow.network[0].weight.clone()
    with torch.no_grad():
        network[0].weight.add_(1.0)
        network[1].running_mean.add_(5.0)
    slow.update(network)
    torch.testing.assert_close(slow.network[0].weight, 0.9 * before + 0.1 * network[0].weight)
    slow.update(network, momentum=1.0)  # of this step alone
    torch.testing.assert_close(slow.network[0].weight, 0.9 * before + 0.1 * network[0].weight)
    slow.update(network, momentum=0.0)
    torch.testing.assert_close(slow.network[0].weight, network[0].weight)
    assert slow.network[1].running_mean.eq(0).all()


def test_a_memory_bank_starts_with_unit_vectors_and_is_part_of_the_saved_state():
    bank = MemoryBank(6, 5)
    torch.testing.assert_close(bank.rows.norm(dim=1), torch.ones(6))
    assert set(bank.state_dict()) == {"rows"}


def test_a_sample_moves_half_way_and_back_to_unit_length():
    bank = MemoryBank(3, 2)
    bank.rows[:] = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    bank.update(torch.tensor([2, 0]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    half = 0.5**0.5
    moved = torch.tensor([0.8, 0.4]) / 0.8**0.5  # (0.6, 0.8) / 2 + (1, 0) / 2
    expected = torch.stack([torch.tensor([half, half]), torch.tensor([0.0, 1.0]), moved])
    torch.testing.assert_close(bank.rows, expected)


def test_of_a_sample_that_is_twice_in_a_batch_the_last_counts():
    twice, once = MemoryBank(4, 2), MemoryBank(4, 2)
    once.load_state_dict(twice.state_dict())
    twice.update(torch.tensor([3, 1, 3]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    once.update(torch.tensor([1, 3]), torch.tensor([[0.0, 1.0], [0.0, -1.0]]))
    assert torch.equal(twice.rows, once.rows)
