"""A written config in MMDetection or MMSegmentation: its backbone's maps, and one training step."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.hub import get_config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope, Registry
from torch import Tensor, nn

from transfer.network.compare import Outcome

SIZES = ("scale", "crop_size", "size")  # settings of data in pixels
SHARE = 8  # the training step takes an eighth of these, for which a CPU needs a second


def run(
    config: Path,
    images: Tensor,
    models: Registry,
    data: str,
    record: Callable[[Path], dict],
    quick: dict[str, int] | None = None,
) -> Outcome:
    """Loads the model as its framework does, takes the maps of ``images``, then trains one step.

    Args:
        config: with the adapter or with the framework's own ResNet.
        images: 8-bit RGB (B, 3, H, W).
        models: the framework's registry.
        data: the framework's shipped settings of a data set.
        record: writes an image with labels into a folder, and returns what that data set says of it.
        quick: more settings that make the step quick, by their dotted names.
    """
    model = Config.fromfile(config).model
    smaller = Config(_smaller({"model": model, "pipeline": _stock_pipeline(data)}))
    smaller.merge_from_dict(quick or {})
    with DefaultScope.overwrite_default_scope(models.scope):  # another may be left from before
        network = models.build(smaller.model)
        network.init_weights()  # as Runner does: it loads the weights of their own ResNet
        pixels, maps = _maps(network, model.backbone, images)
        loss = _train(network, Compose(smaller.pipeline), record)
    # their own ResNet has strides in place of our adapter's output_stride
    stride = model.backbone.get("output_stride") or 4 * math.prod(model.backbone.get("strides", (1, 2, 2, 2)))
    return Outcome(pixels, maps, loss, stride)


@functools.cache
def _stock_pipeline(data: str) -> list[dict]:
    return get_config(data).train_dataloader.dataset.pipeline  # reads an index of some 200 files


@torch.no_grad()
def _maps(network: nn.Module, settings: Config, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    bgr = [image.flip(0) for image in images]  # as OpenMMLab's loaders give them
    pixels = network.data_preprocessor({"inputs": bgr, "data_samples": None})["inputs"]
    network.backbone.eval()  # not chained: their ResNet's train() returns nothing
    stages = settings.get("out_stages") or [f"res{index + 2}" for index in settings.out_indices]
    return pixels, dict(zip(stages, network.backbone(pixels), strict=True))


def _train(network: nn.Module, pipeline: Compose, record: Callable[[Path], dict]) -> float:
    """The loss of one step on two images."""
    with TemporaryDirectory() as folder:
        batch = pseudo_collate([pipeline(record(Path(folder))) for _ in range(2)])
    optimiser = OptimWrapper(torch.optim.SGD(network.parameters(), lr=1e-3))
    network.train()
    return network.train_step(batch, optimiser)["loss"].item()


def _smaller(settings):
    """The settings with every size divided by ``SHARE``."""
    if isinstance(settings, dict):
        return {
            key: tuple(side // SHARE for side in value) if key in SIZES else _smaller(value)
            for key, value in settings.items()
        }
    return [_smaller(value) for value in settings] if isinstance(settings, list) else settings
