"""Pictures with shapes and noise, and a slow transcription of a view."""

import numpy as np
from PIL import Image
from torchvision.transforms.v2 import functional as F

from distill.data.draws import Draw

ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Coarse shapes under fine noise."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 200, (-(-height // 16), -(-width // 16), 3)).repeat(16, 0).repeat(16, 1)
    pixels = coarse[:height, :width]
    return Image.fromarray((pixels + random.integers(0, 56, pixels.shape)).astype(np.uint8))


def pillow_view(image: Image.Image, draw: Draw, size: int) -> np.ndarray:
    """The view by torchvision's functions on PIL images, step by step; its dense blur is on tensors."""
    left, top, width, height = draw.box
    view = F.resized_crop(image, top, left, height, width, [size, size], antialias=True)
    view = F.horizontal_flip(view) if draw.flip else view
    for step, factor in draw.jitter:
        view = ADJUST[step](view, factor)
    view = F.rgb_to_grayscale(view, 3) if draw.grey else view
    if draw.sigma:
        blurred = F.gaussian_blur(F.pil_to_tensor(view), [draw.kernel] * 2, [draw.sigma] * 2)
        view = F.to_pil_image(blurred)
    return np.asarray(F.solarize(view, 128) if draw.solarise else view)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of two pictures, without the wrap of unsigned numbers."""
    return np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int))
