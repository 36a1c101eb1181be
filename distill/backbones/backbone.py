"""A feature network with its own pixel normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from distill.backbones.alexnet import AlexNet
from distill.backbones.resnet_wide import resnet50x4
from distill.errors import UserError, unknown

if TYPE_CHECKING:
    from distill.checkpoint import Weights

OWN_ARCHITECTURES = {"alexnet_compress": AlexNet, "resnet50x4": resnet50x4}


def create_backbone(arch: str, pretrained: bool = False, **kwargs) -> nn.Module:
    """The network of that name without classifier: normalised images (B, 3, H, W) -> (B, width).

    Args:
        arch: a timm name, ``alexnet_compress`` or ``resnet50x4``.
        pretrained: load timm's own weights (needs a network connection or timm's cache).
        kwargs: passed to ``timm.create_model`` (``drop_path_rate``, ``img_size``, ...).

    Raises:
        UserError: unknown name, argument that the network does not take, or weights not to be had.
    """
    if arch in OWN_ARCHITECTURES:
        if pretrained or kwargs:
            raise UserError(f"{arch} takes neither pretrained weights by name nor arguments; give a file")
        return OWN_ARCHITECTURES[arch]()
    if not timm.is_model(arch.split(".")[0]):
        raise unknown("model", arch, [*timm.list_models(), *OWN_ARCHITECTURES])
    if pretrained and not timm.is_model_pretrained(arch):
        raise UserError(f"timm has no pretrained weights for {arch!r}; give a checkpoint file")
    try:
        return timm.create_model(arch, pretrained=pretrained, num_classes=0, **kwargs)
    except TypeError as error:
        raise UserError(f"model {arch!r}: {error}") from error
    except Exception as error:
        if not pretrained:
            raise
        raise UserError(
            f"could not get timm's weights for {arch!r} ({_first_line(error)}); give a file"
        ) from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


def default_mean_std(arch: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """RGB mean and standard deviation that an architecture's weights expect, for images in [0, 1]."""
    if arch == "resnet50x4":  # SimCLR feeds images in [0, 1] as they are
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    config = None if arch in OWN_ARCHITECTURES else timm.get_pretrained_cfg(arch, allow_unregistered=True)
    if config is None:
        return IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
    return tuple(config.mean), tuple(config.std)


def output_width(module: nn.Module, image_size: int = 64) -> int:
    """Width of the features, measured: timm's ``num_features`` differs from it for some networks.

    Buffers, mode and random state stay as they were.
    """
    mode = {name: part.training for name, part in module.named_modules()}
    device = next(module.parameters()).device
    module.eval()
    with torch.no_grad():
        width = module(torch.zeros(1, 3, image_size, image_size, device=device)).shape[-1]
    for name, part in module.named_modules():
        part.training = mode[name]
    return width


class Backbone(nn.Module):
    """RGB images (B, 3, H, W) in [0, 1] -> features (B, width).

    Normalises with its own mean and standard deviation, so that a teacher and a student with different
    preprocessing can share one batch. The network itself is ``net``.
    """

    def __init__(
        self,
        arch: str,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        image_size: int = 64,
        **kwargs,
    ):
        super().__init__()
        own_mean, own_std = default_mean_std(arch)
        self.arch = arch
        self.net = create_backbone(arch, **kwargs)
        fixed = getattr(getattr(self.net, "patch_embed", None), "img_size", None)  # ViTs take one size
        self.width = output_width(self.net, fixed[0] if fixed else image_size)
        # not persistent: constants belong to the architecture's record, not to a training state
        self.register_buffer("mean", torch.tensor(mean or own_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std or own_std).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def from_weights(cls, weights: Weights) -> Backbone:
        """The network of ``weights``, strictly loaded; ``.report`` says what was matched."""
        from distill.checkpoint import load_strict

        backbone = cls(weights.arch, weights.mean, weights.std)
        backbone.report = load_strict(backbone.net, weights.backbone, f"{weights.arch} <- {weights.path}")
        return backbone

    def forward(self, images: Tensor) -> Tensor:
        return self.net((images - self.mean) / self.std)
