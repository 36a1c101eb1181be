"""Online k-means by hand, and the loss against a slow transcription."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from torch.nn import functional as F

from distill.methods.online_clustering import OnlineKMeans
from distill.registry import MODELS
from tests.distill.methods.small import small_config


def test_the_first_vectors_become_the_centres():
    clustering = OnlineKMeans(3, 2)
    a, b, c, d = F.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 0.0]]), dim=1)
    assert clustering.fill(torch.stack([a, b])).tolist() == [True, True, False]
    clustering.update(torch.stack([a, b]), torch.tensor([0, 1]))
    assert clustering.fill(torch.stack([c, d])).tolist() == [True, True, True]
    clustering.update(torch.stack([c, d]), torch.tensor([2, 1]))
    assert clustering.members.tolist() == [1, 2, 1]
    # b, then d: half way between them
    torch.testing.assert_close(clustering.centres, torch.stack([a, F.normalize(b + d, dim=0), c]))
    assert clustering.fill(torch.stack([d])).all()
    torch.testing.assert_close(clustering.centres[2], c)


def test_the_third_member_moves_a_centre_by_a_third():
    clustering = OnlineKMeans(1, 2)
    x = F.normalize(torch.tensor([[1.0, 0.2], [1.0, -0.1], [0.5, 0.9]]), dim=1)
    clustering.fill(x[:1])
    clustering.update(x[:2], torch.tensor([0, 0]))
    before = clustering.centres[0].clone()
    clustering.update(x[2:], torch.tensor([0]))
    torch.testing.assert_close(clustering.centres[0], F.normalize(before + (x[2] - before) / 3, dim=0))


def test_separate_clusters_are_found():
    g = torch.Generator().manual_seed(0)
    directions = F.normalize(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), dim=1)
    clustering, label = OnlineKMeans(3, 3), torch.arange(3).repeat(4)
    for _ in range(50):
        x = F.normalize(directions[label] + 0.1 * torch.randn(12, 3, generator=g), dim=1)
        clustering.fill(x)
        nearest = (x @ clustering.centres.T).argmax(1)
        clustering.update(x, nearest)
    assert torch.equal(nearest, label)
    assert (clustering.centres * directions).sum(1).min() > 0.999
    assert clustering.members.tolist() == [200, 200, 200]


@pytest.mark.parametrize("batch", [1, 3])
def test_loss_is_the_cross_entropy_of_the_nearest_centre(batch, method_inputs):
    config = small_config("seed_online_clustering", method_inputs).model
    config.clusters = 4
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("distill"):
        model = MODELS.build(config).eval()
    for _ in range(3):
        views, index = [torch.rand(batch, 3, 32, 32)], torch.arange(batch)
        loss = model.loss(views, index)["loss"]
        assert loss.isfinite()
    there = model.clustering.members > 0
    missing = 4 - int(there.sum())
    views = [torch.rand(batch, 3, 32, 32)]
    with torch.no_grad():
        target = F.normalize(model.teacher(views[0]), dim=1)
        embedding = F.normalize(model.head(model.student(views[0])), dim=1)
    centres = torch.cat([model.clustering.centres[there], target[:missing]]).double().numpy()
    expected = 0.0
    for s, t in zip(embedding.double().numpy(), target.double().numpy(), strict=True):
        logits = centres @ s / 0.2
        expected -= logits[np.argmax(centres @ t)] - np.log(np.exp(logits).sum())
    loss = model.loss(views, index)["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(expected / batch, rel=1e-5)
    assert all(p.grad.isfinite().all() for p in model.parameters())
