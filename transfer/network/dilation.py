"""Finer maps for segmentation: stride turned into dilation in the last stages, weights unchanged."""

from collections.abc import Iterator

import torch
from torch import nn

from distill.errors import UserError
from transfer.network.partition import StageChain, StagedBackbone
from transfer.network.probe import FAILURES, STRIDES

OUTPUT_STRIDES = (8, 16, 32)
PROBE_SIZE = 64  # pixels of the image that the strides are checked on


def set_output_stride(backbone: StagedBackbone, output_stride: int) -> None:
    """Changes ``backbone`` so that no map is coarser than ``output_stride``, and checks its maps.

    Raises:
        UserError: another output stride, or strides that do not turn into dilation (those of blur pools).
    """
    if output_stride not in OUTPUT_STRIDES:
        raise UserError(f"output stride {output_stride}: choose 8, 16 or 32")
    dilate(backbone, output_stride)
    backbone.strides = {stage: min(stride, output_stride) for stage, stride in backbone.strides.items()}
    _check(backbone, output_stride)


def dilate(backbone: StageChain, output_stride: int) -> None:
    """Turns stride into dilation in every stage coarser than ``output_stride``.

    In such a stage the layer with stride 2 gets stride 1, and every layer after it gets twice the dilation,
    which keeps its field of view: the rule of DeepLab (Chen et al. 2018), which timm's ``output_stride``
    and MMSegmentation's ``dilations=(1, 1, 2, 4)`` follow.
    """
    rate = 1
    for stage, stride in STRIDES.items():
        if stage in backbone.plan and stride > output_stride:
            rate = _dilate(backbone, stage, rate)


def _dilate(backbone: StageChain, stage: str, rate: int) -> int:
    """Dilates one stage, and returns the rate for the next: layers after the stride get twice ``rate``."""
    later = 2 * rate
    for owner, name, layer in list(_layers(backbone, stage)):
        strided = getattr(layer, "stride", 1) in (2, (2, 2))
        if isinstance(layer, nn.AvgPool2d) and strided:
            from timm.layers import AvgPool2dSame

            owner.add_module(name, AvgPool2dSame(2, stride=1, count_include_pad=False))
        elif isinstance(layer, nn.Conv2d):
            layer.padding = tuple(rate * width for width in layer.padding)
            if layer.kernel_size != (1, 1):
                layer.dilation = tuple(rate * step for step in layer.dilation)
            if strided:
                layer.stride = (1, 1)
                rate = later if layer.kernel_size != (1, 1) else rate
    return later


def _layers(backbone: StageChain, stage: str) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """(owner, name, layer) of every layer of a stage, in the order they were defined."""
    for part in backbone.parts(stage):
        for owner in part.modules():
            for name, layer in owner.named_children():
                yield owner, name, layer


def _in_order(maps) -> list[torch.Tensor]:
    return list(maps.values() if isinstance(maps, dict) else maps)  # adapters give tuples


def _check(backbone: StagedBackbone, output_stride: int) -> None:
    training = backbone.training
    cannot = "{}: {} cannot be brought to stride {}; use --output-stride 32"
    try:
        with torch.no_grad():
            maps = backbone.eval()(torch.zeros(1, 3, PROBE_SIZE, PROBE_SIZE))
    except FAILURES as error:
        raise UserError(cannot.format(backbone.arch, "it", output_stride)) from error
    backbone.train(training)
    for stage, found in zip(backbone.out_stages, _in_order(maps), strict=True):
        stride = min(STRIDES[stage], output_stride)
        if found.shape[-1] != PROBE_SIZE // stride:
            raise UserError(cannot.format(backbone.arch, stage, stride))
