"""The maps of all layers of a network, pooled to about as many numbers each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.backbones import Backbone
from distill.errors import UserError


def side_of(channels: int, most: int, dimensions: int) -> int:
    """Side of the square, at most ``most``, whose area times ``channels`` is nearest to ``dimensions``."""
    return min(range(1, most + 1), key=lambda side: abs(channels * side * side - dimensions))


class PooledLayers(nn.Module):
    """Images (B, 3, S, S) -> (B, width): the map of each layer, max-pooled and flattened, side by side.

    Layers are the modules that the network declares to give maps (timm's ``feature_info``), one a stage.

    Args:
        backbone: in eval mode; it stays as it is.
        image_size: S.
        dimensions: how many numbers a layer is to have, about: see ``side_of``.

    Attributes:
        sides: layer -> side of its pooled map.
        columns: layer -> (first, end) of its columns in the result.
        width: of the result.

    Raises:
        UserError: a network that declares no layers, or whose layers give no maps.
    """

    def __init__(self, backbone: Backbone, image_size: int, dimensions: int):
        super().__init__()
        self.backbone = backbone
        declared = getattr(backbone.net, "feature_info", None) or []
        entries = declared if isinstance(declared, list) else declared.info
        self.layers = [entry["module"] for entry in entries if entry.get("module")]
        if not self.layers:
            raise UserError(f"{backbone.arch} declares no layers that give maps (timm's feature_info)")
        image = torch.zeros(1, 3, image_size, image_size, device=next(backbone.parameters()).device)
        with torch.no_grad():
            shapes = self._at_each_layer(image, lambda _, found: found.shape[1:])
        self.sides, self.columns, self.width = {}, {}, 0
        for layer in self.layers:
            channels, height, width = shapes[layer]
            self.sides[layer] = side_of(channels, min(height, width), dimensions)
            first, self.width = self.width, self.width + channels * self.sides[layer] ** 2
            self.columns[layer] = (first, self.width)

    def forward(self, images: Tensor) -> Tensor:
        pool = lambda layer, found: F.adaptive_max_pool2d(found, self.sides[layer]).flatten(1)  # noqa: E731
        pooled = self._at_each_layer(images, pool)
        return torch.cat([pooled[layer] for layer in self.layers], dim=1)

    def _at_each_layer(self, images: Tensor, look: Callable[[str, Tensor], Any]) -> dict[str, Any]:
        """What ``look`` makes of each layer and its map (B, C, h, w), before a later layer can change it."""
        seen = {}
        nhwc = getattr(self.backbone.net, "output_fmt", "NCHW") == "NHWC"

        def hook(layer: str, found: object) -> None:
            if not (isinstance(found, Tensor) and found.ndim == 4):
                raise UserError(f"{self.backbone.arch}: its layer {layer} gives no map; valid: CNNs, Swin")
            seen[layer] = look(layer, found.permute(0, 3, 1, 2) if nhwc else found)

        with ExitStack() as hooks:
            for layer in self.layers:
                module = self.backbone.net.get_submodule(layer)
                told = lambda _, __, found, layer=layer: hook(layer, found)  # noqa: E731
                hooks.callback(module.register_forward_hook(told).remove)
            self.backbone(images)
        return seen
