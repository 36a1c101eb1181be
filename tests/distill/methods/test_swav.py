"""SwAV: one pass for each size, prototypes on the sphere, a queue that is used once it is full."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from distill.methods.base import Progress
from distill.methods.swav import SwAV
from distill.modules.multi_crop import multi_crop_embeddings, multi_crop_features
from tests.distill.losses.test_sinkhorn import sinkhorn_by_the_paper
from tests.distill.losses.test_swapped_prediction import swav_by_the_paper
from tests.distill.methods.small import STUDENT

SETTINGS = dict(student=dict(arch=STUDENT), hidden=24, projection=8, prototypes=10)
LATER = Progress(step=50, steps=100, epochs=200)  # prototypes move, the queue is in use


def views(batch=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.rand(batch, 3, side, side, generator=g, dtype=torch.float64) for side in (32, 32, 16, 16)]


def method(**settings):
    torch.manual_seed(0)
    swav = SwAV(**{**SETTINGS, "queue_length": 4, **settings}).double()
    swav.prototypes.normalise()  # to the last digit: they were drawn in float32
    return swav


def test_loss_equals_the_authors_steps_over_three_batches():
    """The queue takes 4: after a batch of 3 it is one short, after two it is full."""
    swav = method()
    swav.progress = LATER
    queues = [np.zeros((0, 8)), np.zeros((0, 8))]
    for step in range(3):
        z = multi_crop_embeddings(swav.student, swav.head, views(seed=step))[0].detach()
        prototypes = swav.prototypes.weight.detach().numpy()
        codes = []
        for crop, batch in enumerate(z[:2].numpy()):
            full = len(queues[crop]) == 4
            rows = np.concatenate([queues[crop], batch]) if full else batch
            codes.append(sinkhorn_by_the_paper(rows @ prototypes.T, 0.05, 3)[-3:])
            queues[crop] = np.concatenate([queues[crop], batch])[-4:]
        expected = swav_by_the_paper(z.numpy() @ prototypes.T, codes, 0.1)
        assert swav.loss(views(seed=step), None)["loss"].item() == pytest.approx(expected, abs=1e-9)


def test_the_queue_waits_for_its_epoch():
    swav = method(queue_start_epoch=15)
    swav.progress = Progress(step=14, steps=200, epochs=200)
    swav.loss(views(), None)
    assert not any(queue.anchors.any() for queue in swav.codes.queues)
    swav.progress = Progress(step=15, steps=200, epochs=200)
    swav.loss(views(), None)
    for queue in swav.codes.queues:
        torch.testing.assert_close(queue.anchors[:3].norm(dim=1), torch.ones(3, dtype=torch.float64))
        assert not queue.anchors[3].any()


@pytest.mark.parametrize(("epoch", "frozen"), [(0, True), (0.99, True), (1, False), (100, False)])
def test_prototypes_are_frozen_at_first_and_yet_part_of_the_loss(epoch, frozen):
    swav = method(prototypes_frozen_until_epoch=1)
    swav.progress = Progress(step=epoch, steps=200, epochs=200)
    swav.loss(views(), None)["loss"].backward()
    assert swav.prototypes.weight.grad is not None, "DistributedDataParallel waits for every gradient"
    assert swav.prototypes.weight.grad.any().item() is not frozen
    assert all(p.grad is not None for p in swav.parameters())


def test_prototypes_come_back_to_the_sphere():
    swav = method()
    with torch.no_grad():
        swav.prototypes.weight.mul_(3)
    swav.loss(views(), None)
    torch.testing.assert_close(swav.prototypes.weight.norm(dim=1), torch.ones(10, dtype=torch.float64))


class Counted(nn.Module):
    """A backbone that notes what it is given: (N, 3, H, W) -> each image's mean colour (N, 3)."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images):
        self.seen.append(tuple(images.shape))
        return images.mean((2, 3))


def test_one_pass_a_size_and_views_in_order():
    backbone, crops = Counted(), views()
    features = multi_crop_features(backbone, crops)
    assert backbone.seen == [(6, 3, 32, 32), (6, 3, 16, 16)]
    torch.testing.assert_close(features, torch.cat([crop.mean((2, 3)) for crop in crops]))


@pytest.mark.parametrize("rates", [(0.1, 0.0), (0.0, 0.05)])
def test_dropout_disturbs_a_second_copy_at_the_stated_places(rates):
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(3, 2000), nn.Identity(), nn.Identity(), nn.Identity())
    crops = [torch.rand(4, 3, 8, 8) + 1 for _ in range(2)]
    clean, disturbed = multi_crop_embeddings(Counted(), head, crops, rates)
    torch.testing.assert_close(
        clean, F.normalize(head(multi_crop_features(Counted(), crops)), dim=1).view(2, 4, -1)
    )
    assert (clean != 0).all()
    assert (disturbed == 0).double().mean().item() == pytest.approx(sum(rates), abs=0.01)
    torch.testing.assert_close(disturbed.norm(dim=-1), torch.ones(2, 4))
    head.eval()
    clean, disturbed = multi_crop_embeddings(Counted(), head, crops, rates)
    assert torch.equal(clean, disturbed)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast(dtype):
    swav = method().float().eval()
    swav.progress = LATER
    crops = [crop.float() for crop in views()]
    expected = swav.loss(crops, None)["loss"]
    with torch.autocast("cpu", dtype=dtype):
        loss = swav.loss(crops, None)["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=0.05)
    assert all(p.grad.isfinite().all() for p in swav.parameters())


@pytest.mark.parametrize("batch", [1, 3])
def test_any_batch_size(batch):
    swav = method()
    swav.progress = LATER
    for seed in range(6):
        assert swav.loss(views(batch, seed), None)["loss"].isfinite()
