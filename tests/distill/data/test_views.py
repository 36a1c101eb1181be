"""What the views' own operators compute, and that they are quick."""

import time

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms.v2 import ColorJitter
from torchvision.transforms.v2 import functional as F

from distill.data.views import _ColourJitter, _GaussianBlur, _turn_hue


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


@pytest.mark.parametrize("turn", [-0.5, -0.2, -0.1, 0.0, 0.05, 0.1, 0.2, 0.5])
def test_turned_hue_is_as_near_to_the_exact_one_as_pillows(turn):
    """The exact one is torchvision's arithmetic on tensors, in double precision."""
    image = photo(96)
    exact = 255 * F.adjust_hue(F.pil_to_tensor(image).double() / 255, turn)

    def error(turned: Image.Image) -> float:
        return float((F.pil_to_tensor(turned) - exact).abs().mean())

    assert error(_turn_hue(image, turn)) < 1
    assert error(_turn_hue(image, turn)) < 1.5 * error(F.adjust_hue(image, turn))


def test_jitter_draws_and_orders_as_torchvisions():
    """Without hue all pixels are the same; with it they differ by the rounding of the hue."""
    image = photo(96)
    for seed in range(8):
        for hue, most in ((0.0, 0.0), (0.2, 4.0)):
            views = []
            for kind in (_ColourJitter, ColorJitter):
                torch.manual_seed(seed)
                views.append(F.pil_to_tensor(kind(0.8, 0.8, 0.8, hue)(image)).int())
            assert (views[0] - views[1]).abs().float().mean() <= most


def test_hue_is_turned_faster_than_by_pillow():
    image = photo(224)
    assert 3 * fastest(lambda: _turn_hue(image, 0.1)) < fastest(lambda: F.adjust_hue(image, 0.1))
