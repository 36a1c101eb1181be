"""What the views' own operators compute, and that they are quick."""

import time

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms.v2 import functional as F

from distill.data.views import _GaussianBlur


def photo(side: int) -> Image.Image:
    """Coarse shapes under fine noise."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 200, (side // 16, side // 16, 3)).repeat(16, 0).repeat(16, 1)
    return Image.fromarray((coarse + random.integers(0, 56, coarse.shape)).astype(np.uint8))


def fastest(call, times: int = 15) -> float:
    def seconds() -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    return min(seconds() for _ in range(times))


@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize(("side", "kernel"), [(224, 23), (96, 23), (32, 3)])
def test_blur_is_torchvisions_to_one_of_255(side, kernel, sigma):
    image = photo(side)
    expected = F.gaussian_blur(F.pil_to_tensor(image), [kernel, kernel], [sigma, sigma])
    blurred = F.pil_to_tensor(_GaussianBlur(kernel, (sigma, sigma))(image))
    difference = (blurred.int() - expected.int()).abs().float()
    assert difference.max() <= 1 and difference.mean() < 0.5


def test_blurs_width_is_uniform_and_drawn_from_torchs_generator():
    blur = _GaussianBlur(23, (0.1, 2.0))
    torch.manual_seed(0)
    widths = np.array([blur.make_params([])["sigma"][0] for _ in range(2000)])
    assert 0.1 <= widths.min() < 0.12 and 1.98 < widths.max() <= 2.0
    np.testing.assert_allclose(np.quantile(widths, [0.25, 0.5, 0.75]), [0.575, 1.05, 1.525], atol=0.06)


def test_blur_is_not_slower_than_pillows():
    image = photo(224)
    ours, pillow = _GaussianBlur(23, (2.0, 2.0)), ImageFilter.GaussianBlur(2.0)
    assert fastest(lambda: ours(image)) < fastest(lambda: image.filter(pillow))
