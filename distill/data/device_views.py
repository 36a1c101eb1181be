"""Views finished on the training device, a batch at a time, each with its own draw.

The steps, and the places where numbers are rounded, are those of ``distill.data.apply``; the pictures are
the same to within rounding. Pixels are (B, 3, H, W) float32 with whole numbers from 0 to 255. Nothing here
waits for the device: which views a step concerns is known on the host.
"""

from functools import partial

import numpy as np
import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from distill.data.draws import BRIGHTNESS, CONTRAST, HUE, SATURATION


class ViewPreprocessor(BaseDataPreprocessor):
    """Moves a batch to the device, without waiting for it, and finishes views that are only cut out."""

    def __init__(self):
        super().__init__(non_blocking=True)

    def forward(self, data: dict, training: bool = False) -> dict:
        draws = data.get("draws")
        data = self.cast_data({key: value for key, value in data.items() if key != "draws"})
        if draws is not None:
            data["views"] = [finish(*pair) for pair in zip(data["views"], draws, strict=True)]
        return data


@torch.no_grad()
def finish(views: Tensor, draws: np.ndarray) -> Tensor:
    """Views (B, 3, H, W) uint8 as they were cut out, draws (B,) of ``COLOURS`` -> finished views, uint8."""
    pixels = views.float()

    def change(chosen: np.ndarray, step, *values: np.ndarray) -> None:
        """Replaces the views where ``chosen`` (B,) by ``step`` of them, with their own ``values`` (B,)."""
        if chosen.any():
            rows = _to(np.flatnonzero(chosen), pixels.device)
            pixels[rows] = step(pixels[rows], *(_to(value[chosen], pixels.device) for value in values))

    with torch.autocast(pixels.device.type, enabled=False):  # 16 bits would round the pixels
        change(draws["flip"], lambda chosen: chosen.flip(-1))
        for place in range(draws["steps"].shape[1]):
            for step, adjust in JITTER.items():
                change(draws["steps"][:, place] == step, adjust, draws["factors"][:, place])
        change(draws["grey"], lambda chosen: _grey(chosen).expand_as(chosen))
        change(draws["sigma"] > 0, partial(blur, kernel=int(draws["kernel"][0])), draws["sigma"])
        change(draws["solarise"], lambda chosen: torch.where(chosen < 128, chosen, 255 - chosen))
    return pixels.byte()


def brightness(pixels: Tensor, factor: Tensor) -> Tensor:
    return _blend(pixels, torch.zeros_like(factor)[:, None, None, None], factor)


def contrast(pixels: Tensor, factor: Tensor) -> Tensor:
    """Nearer to, or farther from, the mean brightness of the view."""
    return _blend(pixels, (_grey(pixels).mean((1, 2, 3), keepdim=True) + 0.5).floor(), factor)


def saturation(pixels: Tensor, factor: Tensor) -> Tensor:
    """Nearer to, or farther from, each pixel's grey."""
    return _blend(pixels, _grey(pixels), factor)


def turn_hue(pixels: Tensor, turn: Tensor) -> Tensor:
    """``turn`` (B,) is a part of the circle. Hue and saturation have 8 bits in between, as OpenCV's."""
    red, green, blue = pixels.unbind(1)
    value, least = pixels.amax(1), pixels.amin(1)
    chroma = value - least
    sixths = torch.where(value == green, blue - red + 2 * chroma, red - green + 4 * chroma)
    sixths = torch.where(value == red, green - blue, sixths) / chroma.clamp(min=1)
    hue = _rounded(sixths * (256 / 6)) + _rounded(256 * turn)[:, None, None]
    depth = value * _rounded(255 * chroma / value.clamp(min=1)) / 255
    # OpenCV goes round in 256 steps on the way there, and in 255 on the way back
    start = 5 - 2 * torch.arange(3, device=pixels.device)[:, None, None]  # of red, green, blue
    sector = (hue.remainder(256)[:, None] * (6 / 255) + start).remainder(6)
    return _rounded(value[:, None] - depth[:, None] * torch.minimum(sector, 4 - sector).clamp(0, 1))


def blur(pixels: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Gaussian along columns, then rows; borders are mirrored without repeating the outermost pixel."""
    taps = torch.arange(kernel, device=pixels.device) - kernel // 2
    weights = torch.exp(-(taps**2) / (2 * sigma[:, None] ** 2))
    weights = weights / weights.sum(1, keepdim=True)
    for axis in (2, 3):
        pixels = _weighted_sum(pixels, weights, axis)
    return _rounded(pixels)


def _weighted_sum(pixels: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Convolution along an axis with each view's own ``weights`` (B, K).

    Plain sums, tap by tap: torch picks a convolution's algorithm, and with it the rounding, by the batch.
    """
    side, reach = pixels.shape[axis], weights.shape[1] // 2
    places = torch.arange(-reach, side + reach, device=pixels.device).remainder(2 * side - 2)
    padded = pixels.index_select(axis, torch.minimum(places, 2 * side - 2 - places))
    total = torch.zeros_like(pixels)
    for tap, weight in enumerate(weights.unbind(1)):
        total.addcmul_(padded.narrow(axis, tap, side), weight[:, None, None, None])
    return total


JITTER = {BRIGHTNESS: brightness, CONTRAST: contrast, SATURATION: saturation, HUE: turn_hue}


def _to(values: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(values)
    # a copy from memory that is not pinned may wait for the device
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def _grey(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 1, H, W)."""
    red, green, blue = pixels.split(1, dim=1)
    return _rounded(0.299 * red + 0.587 * green + 0.114 * blue)


def _blend(pixels: Tensor, base: Tensor, factor: Tensor) -> Tensor:
    """``base`` is (B, 1, H, W) or (B, 1, 1, 1); fractions are cut off, as Pillow does."""
    return (base + factor[:, None, None, None] * (pixels - base)).clamp(0, 255).floor()


def _rounded(numbers: Tensor) -> Tensor:
    return (numbers + 0.5).floor()
