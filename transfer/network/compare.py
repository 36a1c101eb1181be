"""Do the converted weights give the same maps through a framework as through timm?

A framework's ``verify.maps`` returns what it made of the same images: (pixels as the backbone gets them,
{stage: map}).
"""

from __future__ import annotations

import torch
from torch import Tensor

from distill.backbones import create_backbone
from distill.backbones.weights import Weights, load_strict
from transfer.network.partition import maps_of_whole, plan_stages

TOLERANCE = 1e-4
Seen = tuple[Tensor, dict[str, Tensor]]


def sample_images() -> Tensor:
    """Two fixed noise images, 8-bit RGB (2, 3, 128, 160): not square, and big enough for every network."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 128, 160), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def compare(weights: Weights, unused_keys: frozenset[str], images: Tensor, seen: Seen) -> dict[str, float]:
    """Largest absolute difference of pixels and of each stage's map between timm's network and ``seen``.

    timm's network gets the framework's pixels, so that rounding there is not counted twice. Parts after
    res5 (``unused_keys``) may be absent from ``weights``: they reach no map.
    """
    net = create_backbone(weights.arch).eval()
    tail = {key: value for key, value in net.state_dict().items() if key in unused_keys}
    load_strict(net, tail | weights.backbone, weights.path)
    pixels, maps = seen
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (weights.mean, weights.std))
    differences = {"pixels": _difference(pixels, (images / 255 - mean) / std)}
    reference = maps_of_whole(net, plan_stages(net, weights.arch)[0], pixels)
    return differences | {stage: _difference(maps[stage], reference[stage]) for stage in maps}


def _difference(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        return float("inf")
    worst = (a - b).abs().max().item()
    return worst if worst == worst else float("inf")
