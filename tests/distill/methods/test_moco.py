"""MoCo: what the queue and the key encoder hold, and what shuffling changes."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from distill.methods.base import Progress
from distill.methods.moco import MoCo
from distill.modules.shuffle_bn import shuffled
from tests.distill.losses.test_info_nce import by_the_paper
from tests.distill.methods.small import STUDENT


def method(**settings):
    torch.manual_seed(0)
    return MoCo(student=dict(arch=STUDENT), projection=8, queue_length=10, **settings).double()


def views(batch=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    return list(torch.rand(2, batch, 3, 32, 32, generator=g, dtype=torch.float64))


def numbers(batch):
    return torch.arange(float(batch))[:, None]


def test_loss_equals_the_papers_steps_over_three_batches():
    """Momentum step, keys, loss over the old queue, keys into the queue (algorithm 1)."""
    moco = method(momentum=0.9).eval()  # without batch statistics shuffling changes nothing
    slow = copy.deepcopy(nn.Sequential(moco.student, moco.head))
    queue = moco.queue.anchors.clone()
    with torch.no_grad():
        for step in range(3):
            fast = nn.Sequential(moco.student, moco.head)
            for parameter, target in zip(slow.parameters(), fast.parameters(), strict=True):
                parameter.copy_(0.9 * parameter + 0.1 * target)
            query, key = fast(views(seed=step)[0]), slow(views(seed=step)[1])
            expected = by_the_paper(query.numpy(), key.numpy(), queue.numpy(), 0.2)
            moco.progress = Progress(step=step, steps=3)
            assert moco.loss(views(seed=step), None)["loss"].item() == pytest.approx(expected, abs=1e-9)
            places = torch.arange(4 * step, 4 * step + 4) % 10
            queue[places] = F.normalize(key, dim=1)
            torch.testing.assert_close(moco.queue.anchors, queue)
            for parameter in fast.parameters():
                parameter.add_(0.01)  # as an optimiser would


def test_the_key_encoder_waits_for_the_optimiser_and_gets_no_gradient():
    moco = method(momentum=0.5)
    with torch.no_grad():
        moco.head[0].weight.add_(1)
    before = moco.key_encoder.network[1][0].weight.clone()
    moco.progress = Progress(updated=False)
    moco.loss(views(), None)["loss"].backward()
    assert torch.equal(moco.key_encoder.network[1][0].weight, before)
    assert all(parameter.grad is None for parameter in moco.key_encoder.parameters())
    assert all(p.grad is not None for p in [*moco.student.parameters(), *moco.head.parameters()])
    moco.progress = Progress(updated=True)
    moco.loss(views(), None)
    torch.testing.assert_close(moco.key_encoder.network[1][0].weight, before + 0.5)


@pytest.mark.parametrize("batch", [1, 2, 5, 16])
@pytest.mark.parametrize("groups", [1, 2, 8, 100])
def test_unshuffling_restores_the_order(batch, groups):
    assert torch.equal(shuffled(nn.Identity(), numbers(batch), seed=3, groups=groups), numbers(batch))


def test_features_of_a_network_in_eval_mode_are_those_without_shuffling():
    network, images = method().eval().key_encoder, views(5)[0]
    torch.testing.assert_close(shuffled(network, images, seed=1, groups=2), network(images))


def test_batch_statistics_are_those_of_a_random_part():
    """In train mode a key's statistics are not the whole batch's and change at every step."""
    network, images = method().train().key_encoder, views(8)[0]
    whole, first, second = (
        shuffled(network, images, seed=seed, groups=groups) for seed, groups in ((0, 1), (0, 2), (1, 2))
    )
    torch.testing.assert_close(whole, network(images))  # one part: the batch's own statistics, permuted
    assert (first - whole).abs().max() > 1e-3
    assert (first - second).abs().max() > 1e-3
    assert torch.equal(shuffled(network, images, seed=0, groups=2), first), "a function of the step"


def test_each_part_has_two_images_at_least():
    seen = []
    shuffled(lambda part: seen.append(len(part)) or part, numbers(5), seed=0, groups=8)
    assert seen == [3, 2]
