"""A view made from its draw, one image at a time: what a data worker computes.

Pixels are (H, W, 3) uint8. Each step gives what torchvision gives on a PIL image, to one of 255; a turned
hue has a rounding error as large as Pillow's.
"""

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from distill.data.draws import BRIGHTNESS, CONTRAST, HUE, SATURATION, Draw

LEVELS = np.arange(256, dtype=np.float32)
SOLARISED = np.where(LEVELS < 128, LEVELS, 255 - LEVELS).astype(np.uint8)


def cut_out(pixels: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """The part in ``box`` (left, top, width, height) at ``size`` x ``size``: bilinear, antialiased."""
    left, top, width, height = box
    part = torch.from_numpy(pixels[None, top : top + height, left : left + width].copy())
    # torch scales bytes as Pillow does, and faster; a batch of one keeps the three colours together
    scaled = F.interpolate(part.permute(0, 3, 1, 2), (size, size), mode="bilinear", antialias=True)
    return np.ascontiguousarray(scaled[0].permute(1, 2, 0).numpy())


def finish(pixels: np.ndarray, draw: Draw) -> np.ndarray:
    """What follows the cut: flip, jitter, grey, blur, solarise, in this order."""
    if draw.flip:
        pixels = cv2.flip(pixels, 1)
    for step, factor in draw.jitter:
        pixels = JITTER[step](pixels, factor)
    if draw.grey:
        pixels = cv2.cvtColor(_grey(pixels), cv2.COLOR_GRAY2RGB)
    if draw.sigma:
        pixels = blur(pixels, draw.sigma, draw.kernel)
    if draw.solarise:
        pixels = cv2.LUT(pixels, SOLARISED)
    return pixels


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) -> (3, H, W)."""
    planes = np.empty((3, *pixels.shape[:2]), np.uint8)
    cv2.split(pixels, list(planes))
    return torch.from_numpy(planes)


def brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    return cv2.LUT(pixels, _blended(LEVELS, 0, factor))


def contrast(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Nearer to, or farther from, the mean brightness of the view."""
    return cv2.LUT(pixels, _blended(LEVELS, int(cv2.mean(_grey(pixels))[0] + 0.5), factor))


def saturation(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Nearer to, or farther from, each pixel's grey."""
    grey = cv2.cvtColor(_grey(pixels), cv2.COLOR_GRAY2RGB)
    # Pillow cuts fractions off and OpenCV rounds; not quite a half, so that whole numbers stay
    return cv2.addWeighted(pixels, factor, grey, 1 - factor, -0.499)


def turn_hue(pixels: np.ndarray, turn: float) -> np.ndarray:
    """``turn`` is a part of the circle."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(256 * turn) % 256)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def blur(pixels: np.ndarray, sigma: float, kernel: int) -> np.ndarray:
    """Gaussian; taps beyond 3.5 sigma are left out, as OpenCV's weights of 8 bits are 0 there."""
    kernel = min(kernel, 2 * math.ceil(3.5 * sigma) + 1)
    return cv2.GaussianBlur(pixels, (kernel, kernel), sigma)


JITTER = {BRIGHTNESS: brightness, CONTRAST: contrast, SATURATION: saturation, HUE: turn_hue}


def _grey(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (H, W)."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def _blended(levels: np.ndarray, base: float, factor: float) -> np.ndarray:
    """Pillow's blend of a constant and an image; fractions are cut off."""
    return np.clip(base + np.float32(factor) * (levels - base), 0, 255).astype(np.uint8)
