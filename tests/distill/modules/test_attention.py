"""Self-attention over pixels against a NumPy transcription."""

import numpy as np
import pytest
import torch
from torch import nn

from distill.modules.attention import PixelAttention


def by_hand(x, qkv, output, head_width):
    """The result for x (C, h, w), one head and one pixel at a time."""
    width, pixels = x.shape[0], x.reshape(x.shape[0], -1).T
    inner = len(qkv) // 3
    q, k, v = (pixels @ weight.T for weight in (qkv[:inner], qkv[inner : 2 * inner], qkv[2 * inner :]))
    heads = []
    for start in range(0, inner, head_width):
        part = slice(start, start + head_width)
        head = np.empty((len(pixels), head_width))
        for i, query in enumerate(q[:, part]):
            weights = np.exp([query @ key / np.sqrt(head_width) for key in k[:, part]])
            head[i] = weights / weights.sum() @ v[:, part]
        heads.append(head)
    return x + (np.concatenate(heads, 1) @ output.T).T.reshape(width, *x.shape[1:])


@pytest.mark.parametrize("width", [8, 6, 5, 17])
@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (4, 4)])
@pytest.mark.parametrize("batch", [1, 3])
def test_equals_the_transcription(width, grid, batch):
    torch.manual_seed(0)
    attention = PixelAttention(width, head_width=4).double()
    nn.init.normal_(attention.output.weight)
    maps = torch.randn(batch, width, *grid, dtype=torch.float64)
    weights = [layer.weight.detach().numpy()[:, :, 0, 0] for layer in (attention.qkv, attention.output)]
    expected = np.stack([by_hand(x, *weights, 4) for x in maps.numpy()])
    np.testing.assert_allclose(attention(maps).detach().numpy(), expected, atol=1e-12)
    last = maps.contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(attention(last).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("width", "heads"), [(64, 1), (512, 8), (960, 15), (288, 5), (24, 1)])
def test_begins_as_the_identity(width, heads):
    attention = PixelAttention(width)
    maps = torch.randn(2, width, 3, 3)
    assert attention.heads == heads
    assert torch.equal(attention(maps), maps)
    # and learns from there
    attention(maps).square().sum().backward()
    assert attention.output.weight.grad.abs().max() > 0


def test_moved_pixels_give_moved_results():
    """There is no position code, so the order of the pixels does not matter."""
    torch.manual_seed(0)
    attention = PixelAttention(8, head_width=4).double()
    nn.init.normal_(attention.output.weight)
    maps = torch.randn(2, 8, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(attention(maps.flip(2, 3)), attention(maps).flip(2, 3))
