"""What features tell without labels, beside the definitions."""

import numpy as np
import pytest
import torch

from distill.backbones import Backbone
from distill.evaluation.spread import by_the_batch, mean_cosine, rankme, shared_neighbours


def features(images: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, width, generator=torch.Generator().manual_seed(seed)) + 0.5


@pytest.mark.parametrize(("images", "width"), [(12, 5), (5, 12), (7, 7)])
def test_rankme_is_its_equation(images, width):
    x = features(images, width)
    values = np.linalg.svd(x.double().numpy(), compute_uv=False)
    shares = values / np.abs(values).sum() + 1e-7
    assert rankme(x) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


def test_rankme_counts_directions():
    assert rankme(torch.eye(6)) == pytest.approx(6, rel=1e-4)
    assert rankme(torch.ones(6, 4)) == pytest.approx(1, rel=1e-4)
    assert rankme(torch.zeros(6, 4)) == pytest.approx(1, rel=1e-4)


def test_mean_cosine_is_that_of_all_pairs():
    x = features(9, 4)
    pairs = [torch.cosine_similarity(x[i], x[j], dim=0) for i in range(9) for j in range(9) if i != j]
    assert mean_cosine(x) == pytest.approx(torch.stack(pairs).mean().item(), abs=1e-6)
    assert mean_cosine(torch.ones(5, 3)) == pytest.approx(1)


def test_shared_neighbours_are_counted_without_the_image_itself():
    x, y = features(30, 8), features(30, 6, seed=1)

    def nearest(z, i):
        cosine = torch.cosine_similarity(z[i], z)
        cosine[i] = -2
        return set(cosine.topk(4).indices.tolist())

    wanted = np.mean([len(nearest(x, i) & nearest(y, i)) / 4 for i in range(30)])
    assert shared_neighbours(x, y, k=4) == pytest.approx(wanted)
    assert shared_neighbours(x, 3 * x) == 1
    assert shared_neighbours(x[:3], y[:3]) == 1, "each has two others"


@pytest.mark.parametrize("compiled", [False, True])
def test_a_copy_by_the_batch_sees_what_training_sees_and_leaves_the_network_alone(compiled):
    """Compiled as ``--compile`` does it, with a backend that needs no compiler."""
    network = Backbone("test_resnet").train()
    if compiled:
        network.net.forward_features = torch.compile(network.net.forward_features, backend="eager")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = torch.rand(8, 3, 32, 32)
    with torch.no_grad():
        found = by_the_batch(network)(x)
        assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
        assert torch.equal(found, network(x))
