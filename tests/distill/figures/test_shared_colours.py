"""One principal component analysis for several networks."""

import numpy as np
import pytest
import torch

from distill.figures.shared_colours import colours, shared_components


@pytest.fixture
def networks():
    """Two networks of different widths at the same 60 positions; what they see is partly the same."""
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(60, 5, generator=generator) * torch.tensor([5.0, 3, 2, 1, 1])
    return [
        seen @ torch.randn(5, width, generator=generator) + torch.randn(60, width, generator=generator)
        for width in (8, 12)
    ]


def test_scores_equal_a_slow_transcription(networks):
    """Multiple factor analysis with eigenvectors of a covariance in place of singular vectors."""
    blocks = []
    for x in (each.double().numpy() for each in networks):
        x = x - x.mean(0)
        blocks.append(x / np.sqrt(np.linalg.eigvalsh(x.T @ x).max()))
    together = np.concatenate(blocks, axis=1)
    _, vectors = np.linalg.eigh(together.T @ together)
    for component, found in enumerate(zip(*(score.T for score in shared_components(networks)), strict=True)):
        direction = vectors[:, -1 - component]
        first, second = (2 * blocks[0] @ direction[:8], 2 * blocks[1] @ direction[8:])
        mean = (first + second) / 2
        sign = np.sign(mean[np.abs(mean).argmax()])
        np.testing.assert_allclose(found[0].numpy(), sign * first, atol=1e-6)
        np.testing.assert_allclose(found[1].numpy(), sign * second, atol=1e-6)


def test_order_rotation_and_scale_of_the_channels_do_not_matter(networks):
    rotation, _ = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(1)).double())
    turned = [networks[0][:, torch.arange(7, -1, -1)], 100 * networks[1].double() @ rotation]
    for before, after in zip(shared_components(networks), shared_components(turned), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=1e-5)


def test_two_networks_that_see_the_same_get_the_same_colours(networks):
    rotation, _ = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)).double())
    first, second = colours(shared_components([networks[0], networks[0].double() @ rotation]))
    np.testing.assert_allclose(first, second, atol=1e-3)
    assert first.min() >= 0 and first.max() <= 1 and first.std() > 0.1


def test_colours_are_on_one_scale():
    """The second network sees half of what the first one does: its colours are nearer to the middle."""
    scores = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)).double()
    first, second = colours([scores, scores / 2])
    assert second.std() < 0.7 * first.std()


def test_what_matters_most_is_lightness():
    scores = torch.zeros(3, 3).double()
    scores[:, 0] = torch.tensor([-1.0, 0, 1])
    dark, middle, light = colours([scores])[0].mean(axis=1)
    assert dark < middle < light


def test_a_network_of_one_colour_and_few_channels_is_no_error():
    flat, narrow = torch.ones(10, 6), torch.arange(10.0)[:, None]
    for score in shared_components([flat, narrow]):
        assert score.shape == (10, 3) and score.isfinite().all()
