"""SwAV's views."""

import numpy as np
import torch
from PIL import Image

from distill.registry import TRANSFORMS


def test_full_views_come_first():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    augmentation = TRANSFORMS.build(dict(type="MultiCrop", size=32, small_size=12, small_views=3))
    assert augmentation.size == 32 and augmentation.sizes == (32, 32, 12, 12, 12)
    views = augmentation(Image.fromarray(pixels))
    assert [tuple(view.shape) for view in views] == [(3, side, side) for side in augmentation.sizes]
    assert all(view.dtype == torch.uint8 for view in views)
    assert not torch.equal(views[0], views[1]) and not torch.equal(views[2], views[3])


def test_small_views_follow_the_size_of_the_full_ones():
    assert TRANSFORMS.build(dict(type="MultiCrop")).sizes == (224, 224, *[96] * 6)
    assert TRANSFORMS.build(dict(type="MultiCrop", size=112)).sizes == (112, 112, *[48] * 6)
    assert TRANSFORMS.build(dict(type="MultiCrop", small_views=0)).sizes == (224, 224)


def test_small_views_show_a_small_part():
    """Some views of an image that is half black and half white see only one half."""
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:, 32:] = 255
    torch.manual_seed(0)
    views = TRANSFORMS.build(dict(type="MultiCrop", size=32, small_views=40))(Image.fromarray(pixels))
    assert sum(view.float().std() < 1 for view in views[2:]) > 10


def test_strength_scales_the_jitter_of_the_colours():
    """At 0 a picture of one colour keeps it, except in views that turn grey."""
    picture = Image.new("RGB", (40, 40), (200, 80, 40))
    torch.manual_seed(0)

    def colours(strength: float) -> set[tuple]:
        views = TRANSFORMS.build(dict(type="MultiCrop", size=16, small_views=20, strength=strength))(picture)
        return {tuple(view[:, 3, 3].tolist()) for view in views}

    assert len(colours(0.0)) == 2 and len(colours(1.0)) > 10
