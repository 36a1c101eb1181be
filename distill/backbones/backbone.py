"""A feature network with its own pixel normalisation."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers import PatchEmbed
from torch import Tensor, nn

from distill.backbones.alexnet import AlexNet
from distill.backbones.pooling import check_pooling, pool
from distill.backbones.resnet_wide import resnet50x4
from distill.backbones.weights import Weights, load_strict
from distill.errors import UserError, unknown

PASSES = ("forward_features", "forward_intermediates")  # of timm's networks
# what a network raises on an image that it cannot take
FAILURES = (RuntimeError, AssertionError, TypeError, AttributeError, ValueError)
# what timm makes another network of when it is asked for weights; so it is always the one that they are for
AS_WITH_WEIGHTS = {"fbnetc_100": {"bn_eps": 1e-3}}
OWN_ARCHITECTURES = {"alexnet_compress": AlexNet, "resnet50x4": resnet50x4}


def is_known(arch: str) -> bool:
    """Whether ``create_backbone`` makes a network of that name."""
    return arch in OWN_ARCHITECTURES or timm.is_model(arch.split(".")[0])


def create_backbone(arch: str, pretrained: bool = False, **kwargs) -> nn.Module:
    """The network of that name without classifier: normalised images (B, 3, H, W) -> (B, width).

    Args:
        arch: a timm name, ``alexnet_compress`` or ``resnet50x4``.
        pretrained: load timm's own weights (needs a network connection or timm's cache).
        kwargs: passed to ``timm.create_model`` (``drop_path_rate``, ``img_size``, ...).

    Raises:
        UserError: unknown name, argument that the network does not take, or weights that cannot be had.
    """
    if arch in OWN_ARCHITECTURES:
        if pretrained or kwargs:
            raise UserError(f"{arch} takes neither pretrained weights by name nor arguments; give a file")
        return OWN_ARCHITECTURES[arch]()
    if not is_known(arch):
        raise unknown("model", arch, [*timm.list_models(), *OWN_ARCHITECTURES])
    if pretrained and not timm.is_model_pretrained(arch):
        raise UserError(f"timm has no pretrained weights for {arch!r}; give a checkpoint file")
    kwargs = AS_WITH_WEIGHTS.get(arch.split(".")[0], {}) | kwargs
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


@contextmanager
def _measuring(module: nn.Module, height: int, width: int | None = None) -> Iterator[Tensor]:
    """Yields a black image, square without a ``width``, and keeps ``module`` in eval mode while it is used.

    Buffers, mode and random state stay as they were.
    """
    mode = {name: part.training for name, part in module.named_modules()}
    module.eval()
    try:
        yield torch.zeros(1, 3, height, width or height, device=next(module.parameters()).device)
    finally:
        for name, part in module.named_modules():
            part.training = mode[name]


def output_width(module: nn.Module, image_size: int = 64) -> int:
    """Width of the features, measured: timm's ``num_features`` differs from it for some networks."""
    with _measuring(module, image_size) as image, torch.no_grad():
        return module(image).shape[-1]


def _size_to_measure_on(net: nn.Module, image_size: int, made_for: int | Sequence[int] | None) -> int:
    """Side in pixels of an image that a network takes and that costs little.

    Args:
        made_for: the ``img_size`` that it was made with, if any; a square.
    """
    patches, config = getattr(net, "patch_embed", None), getattr(net, "pretrained_cfg", None) or {}
    if getattr(net, "dynamic_img_size", False):
        return 4 * patches.patch_size[0]
    if fixed := getattr(patches, "img_size", None):  # the only size that other transformers take
        return fixed[0]
    # what timm says of hybrids, such as LeViT and CoAtNet: some of them do take other sizes
    if not config.get("fixed_input_size"):
        return image_size
    return made_for if isinstance(made_for, int) else (made_for or config["input_size"])[-1]


def start_norms_at_one(net: nn.Module) -> None:
    """Sets the scales of batch norms whose scales are all 0 to 1, in place."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine and not module.weight.any():
            nn.init.ones_(module.weight)


class Backbone(nn.Module):
    """RGB images (B, 3, H, W), floats in [0, 1] or integers in [0, 255] -> features (B, width).

    Normalises with its own mean and standard deviation, so that a teacher and a student with different
    preprocessing can share one batch. The network itself is ``net``.

    Args:
        arch: see ``create_backbone``, which takes ``kwargs``.
        mean, std: RGB, for images in [0, 1]; by default the architecture's.
        image_size: side in pixels of the image that the width is measured on.
        channels_last: keep maps in NHWC order in memory; None: on a GPU. The values differ by rounding only;
            networks of depthwise convolutions train about twice as fast on a CPU.
        zero_init_last: keep batch-norm scales that start at 0 (timm starts the last norm of each residual
            block so, after Goyal et al., 2017); False: they start at 1, as in torchvision. It changes nothing
            in networks without such norms.
    """

    def __init__(
        self,
        arch: str,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        image_size: int = 64,
        channels_last: bool | None = None,
        zero_init_last: bool = True,
        **kwargs,
    ):
        super().__init__()
        own_mean, own_std = default_mean_std(arch)
        self.arch = arch
        self.net = create_backbone(arch, **kwargs)
        if not zero_init_last:
            start_norms_at_one(self.net)
        self.channels_last = channels_last
        self._order_memory()
        self.pooling = None
        self.measured_at = _size_to_measure_on(self.net, image_size, kwargs.get("img_size"))
        self._taken = {}
        # not persistent: constants belong to the architecture's record, not to a training state
        self.register_buffer("mean", torch.tensor(mean or own_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std or own_std).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def from_weights(cls, weights: Weights, pooling: str | None = None) -> Backbone:
        """The network of ``weights``, strictly loaded; ``.report`` says what was matched.

        A ViT takes other sizes than its own as well: timm resamples its position embeddings (bicubic,
        antialiased) to any grid of patches, and leaves them as they are at its own size.

        Args:
            pooling: of a transformer's tokens, see ``distill.backbones.pooling``; None: the network's own.

        Raises:
            UserError: keys or shapes that differ from the network's, or a pooling that it does not have.
        """
        backbone = cls(weights.arch, weights.mean, weights.std)
        if getattr(backbone.net, "dynamic_img_size", True) is False:
            backbone = cls(weights.arch, weights.mean, weights.std, dynamic_img_size=True)
        report = load_strict(backbone.net, weights.backbone, f"{weights.arch} <- {weights.path}")
        backbone.report = replace(report, note=weights.note)
        if pooling is not None:
            check_pooling(backbone.net, weights.arch, pooling)
            backbone.pooling = pooling
        return backbone

    def takes(self, height: int, width: int) -> bool:
        """Whether the network runs on images of that size, in pixels; tried once a size."""
        if (height, width) not in self._taken:
            with _measuring(self.net, height, width) as pixels, torch.no_grad():
                try:
                    self.net(pixels)
                    self._taken[height, width] = True
                except FAILURES:
                    self._taken[height, width] = False
        return self._taken[height, width]

    def compile_network(self) -> None:
        """Has torch compile both ways through the network; its state dict stays as it is."""
        for name in PASSES:
            if hasattr(self.net, name):
                setattr(self.net, name, torch.compile(getattr(self.net, name), dynamic=False))

    @cached_property
    def width(self) -> int:
        """Of the features, measured."""
        with _measuring(self.net, self.measured_at) as pixels, torch.no_grad():
            return self._features(pixels).shape[-1]

    def copy(self) -> Backbone:
        """A copy that shares nothing with this one: compiled code, which is bound to it, is left behind."""
        copied = copy.deepcopy(self)
        for name in PASSES:
            vars(copied.net).pop(name, None)
        return copied

    def _order_memory(self) -> None:
        device = next(self.net.parameters()).device
        last = device.type == "cuda" if self.channels_last is None else self.channels_last
        self.memory_format = torch.channels_last if last else torch.contiguous_format
        self.net.to(memory_format=self.memory_format)

    def _apply(self, fn, *args, **kwargs):
        super()._apply(fn, *args, **kwargs)  # it may have moved to another device
        self._order_memory()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), floats in [0, 1] or integers in [0, 255] -> features (B, width)."""
        return self._features(self._normalise(images))

    def _features(self, pixels: Tensor) -> Tensor:
        return self.net(pixels) if self.pooling is None else self.finish(self.net.forward_features(pixels))

    def finish(self, final: Tensor) -> Tensor:
        """What ``final`` gives -> features (B, width)."""
        if self.pooling is None:
            return self.net.forward_head(final) if hasattr(self.net, "forward_head") else final
        return pool(final, self.net.num_prefix_tokens, self.pooling)

    def pooled(self, final: Tensor) -> Tensor:
        """The same without the layers that stand behind the pooling -> (B, pooled_width)."""
        return final.mean((2, 3)) if self.has_layers_behind_pooling else self.finish(final)

    @property
    def pooled_width(self) -> int:
        """Of what ``pooled`` gives."""
        return self.map_width if self.has_layers_behind_pooling else self.width

    @cached_property
    def has_layers_behind_pooling(self) -> bool:
        """Whether convolutions or linear layers make the features of the pooled map, as ``conv_head`` does.

        MobileNet, GhostNet and LCNet have one. A norm alone, as ConvNeXt has it there, does not count.
        """
        if not hasattr(self.net, "forward_intermediates"):
            return False
        with _measuring(self.net, self.measured_at) as pixels, torch.no_grad():
            final = self.net.forward_features(pixels)
        is_map = final.ndim == 4 and getattr(self.net, "output_fmt", "NCHW") == "NCHW"
        return is_map and any(parameter.ndim > 1 for parameter in self.parameters_behind_map())

    def _normalise(self, images: Tensor) -> Tensor:
        if not images.is_floating_point():
            images = images.float() / 255
        return ((images - self.mean) / self.std).contiguous(memory_format=self.memory_format)

    def feature_map(self, images: Tensor) -> Tensor:
        """The map before pooling: images as for ``forward`` -> (B, map_width, h, w).

        A transformer's map is made of its patch tokens, without class and register tokens. Layers behind
        the pooling are not used: MobileNetV3-Large's map is 960 wide, its features (behind ``conv_head``)
        1280; AlexNet's map is 256 wide, before ``fc6``.

        Raises:
            UserError: a network whose features are not the pixels of a map.
        """
        features = self.net.forward_features(self._normalise(images))
        if features.ndim == 4:
            # timm marks maps in NHWC order (Swin)
            nhwc = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
            return features.permute(0, 3, 1, 2).contiguous() if nhwc else features
        embed = getattr(self.net, "patch_embed", None)
        if isinstance(embed, PatchEmbed):
            patches = features[:, getattr(self.net, "num_prefix_tokens", 0) :]
            height, width = embed.dynamic_feat_size(images.shape[-2:])
            if patches.shape[1] == height * width:
                return patches.transpose(1, 2).unflatten(2, (height, width)).contiguous()
        raise UserError(
            f"{self.arch} gives no feature map; valid: convolutional networks, Swin, plain ViTs"
        )

    @property
    def map_width(self) -> int:
        """Channels of ``feature_map``, measured."""
        with _measuring(self.net, self.measured_at) as image, torch.no_grad():
            return self.feature_map(image).shape[1]

    def features_and_inner_map(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, width) as of ``forward``, and a map from within the network, by one pass.

        Returns:
            (features, (B, inner_map_width, h, w)): the output of the last stage whose stride is 16 at most,
            at which most networks have more places than before the pooling; of a ViT, its last patch tokens,
            normalised.

        Raises:
            UserError: a network that gives no maps from within.
        """
        final, inner = self.final_and_inner(images)
        return self.finish(final), inner

    def final_and_inner(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As ``features_and_inner_map``, with what ``finish`` makes the features of in their place."""
        final, (inner,) = self.net.forward_intermediates(
            self._normalise(images), indices=[self._inner_stage[0]], norm=True
        )
        return final, inner

    def final(self, images: Tensor) -> Tensor:
        """What ``finish`` makes the features of: a map, tokens, or the features, of a network in one part."""
        pixels = self._normalise(images)
        return self.net.forward_features(pixels) if hasattr(self.net, "forward_head") else self.net(pixels)

    @property
    def inner_map_width(self) -> int:
        """Channels of the map that ``features_and_inner_map`` gives."""
        return self._inner_stage[1]

    @cached_property
    def _inner_stage(self) -> tuple[int, int]:
        """Its number, as timm counts them, and its channels, measured."""
        if not hasattr(self.net, "forward_intermediates"):
            raise UserError(f"{self.arch} gives no map from within; valid: timm's networks that do")
        with _measuring(self.net, self.measured_at) as image, torch.no_grad():
            maps = self.net.forward_intermediates(image, intermediates_only=True)
        fine = [number for number, each in enumerate(maps) if self.measured_at / each.shape[-1] <= 16]
        last = max(fine, default=0)
        return last, maps[last].shape[1]

    def fingerprint(self, weights_sha256: str) -> dict:
        """What identifies its features: architecture, weights and normalisation."""
        identity = {
            "arch": self.arch,
            "weights_sha256": weights_sha256,
            "output": "backbone",
            "width": self.width,
            "mean": [round(value, 6) for value in self.mean.flatten().tolist()],
            "std": [round(value, 6) for value in self.std.flatten().tolist()],
        }
        # left out where it is the network's own, so that caches from before the setting stay valid
        return identity | ({"pooling": self.pooling} if self.pooling else {})

    def parameters_behind_map(self) -> list[nn.Parameter]:
        """Trained parameters that ``feature_map`` does not depend on, as a MobileNetV3's ``conv_head``."""
        parameters = [parameter for parameter in self.net.parameters() if parameter.requires_grad]
        with _measuring(self.net, self.measured_at) as image, torch.enable_grad():
            gradients = torch.autograd.grad(self.feature_map(image).sum(), parameters, allow_unused=True)
        return [p for p, gradient in zip(parameters, gradients, strict=True) if gradient is None]
