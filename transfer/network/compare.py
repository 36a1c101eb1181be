"""Compares the maps that converted weights give in a framework with those in timm."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from distill.backbones import create_backbone
from distill.backbones.weights import Weights, load_strict
from distill.data.image_files import open_images
from transfer.network.dilation import dilate
from transfer.network.partition import StageChain, plan_stages
from transfer.network.probe import maps_of_whole

# What rounding in float32 may differ by: so much, or so large a part of the largest value. Maps of a network
# without a norm at the end may reach 100, and timm's own are then 1e-4 from those in float64.
ABSOLUTE, RELATIVE = 1e-4, 1e-5
REAL = 4  # pictures of a folder that are compared


@dataclass(frozen=True)
class Difference:
    """Largest absolute difference of a tensor from its reference, and the limit that rounding sets."""

    worst: float
    limit: float

    @property
    def within(self) -> bool:
        return math.isfinite(self.worst) and self.worst <= self.limit

    def __str__(self) -> str:
        return f"{self.worst:.1e}" + ("" if self.within else f" (limit {self.limit:.1e})")


@dataclass(frozen=True)
class Outcome:
    """What a framework made of a written config.

    Attributes:
        pixels: images as its backbone gets them, (B, 3, H, W).
        maps: {stage: map} of these pixels.
        loss: of one training step; None where there is nothing to train (a bare network).
        output_stride: no map is coarser than this, by dilation.
        features: (B, width), behind the pooling; None where the framework has no such output.
        remark: what else was measured, for the verdict.
    """

    pixels: Tensor
    maps: dict[str, Tensor]
    loss: float | None = None
    output_stride: int = 32
    features: Tensor | None = None
    remark: str = ""


def sample_images(side: int | None = None) -> Tensor:
    """Two fixed noise images, 8-bit RGB (2, 3, 64, 96): not square, and large enough for every network.

    With ``side`` they are squares of it.
    """
    generator = torch.Generator().manual_seed(0)
    size = (side, side) if side else (64, 96)
    return torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8, generator=generator)


def real_images(folder: str | os.PathLike, side: int | None) -> Tensor:
    """Pictures of a folder, spread over it, as 8-bit RGB (B, 3, S, S): scaled, the middle cut out.

    Args:
        side: the network's, in pixels; None: 224. S is the next multiple of 32, which every network takes.

    Raises:
        UserError: no folder, no picture in it, or one that cannot be read.
    """
    images = open_images(folder)
    count = min(REAL, len(images))
    side = 32 * max(2, math.ceil((side or 224) / 32))
    chosen = (images.read(number * len(images) // count) for number in range(count))
    fitted = [np.asarray(ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)) for image in chosen]
    return torch.from_numpy(np.stack(fitted)).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def compare(
    weights: Weights, unused_keys: frozenset[str], images: Tensor, outcome: Outcome
) -> dict[str, Difference]:
    """Largest absolute difference of pixels, maps and features between timm's network and ``outcome``.

    timm's network gets the framework's pixels, so that rounding there is not counted twice, and the
    config's dilation. Parts after res5 (``unused_keys``) may be absent from ``weights``: no map needs them.
    """
    net = create_backbone(weights.arch).eval()
    tail = {key: value for key, value in net.state_dict().items() if key in unused_keys}
    load_strict(net, tail | weights.backbone, weights.path)
    plan, _ = plan_stages(net, weights.arch)
    dilate(StageChain(net, plan), outcome.output_stride)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (weights.mean, weights.std))
    differences = {"pixels": difference(outcome.pixels, (images / 255 - mean) / std)}
    reference = maps_of_whole(net, plan, outcome.pixels)
    differences |= {stage: difference(x, reference[stage]) for stage, x in outcome.maps.items()}
    if outcome.features is not None:
        differences["features"] = difference(outcome.features, net(outcome.pixels))
    return differences


def difference(found: Tensor, reference: Tensor) -> Difference:
    """Of two tensors; infinite where one has another shape, or values that are NaN or infinite."""
    limit = max(ABSOLUTE, RELATIVE * reference.abs().max().item())
    if found.shape != reference.shape:
        return Difference(math.inf, limit)
    worst = (found - reference).abs().max().item()
    return Difference(math.inf if math.isnan(worst) else worst, limit)
