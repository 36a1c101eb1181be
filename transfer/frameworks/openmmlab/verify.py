"""A written config in MMDetection or MMSegmentation: the maps that its backbone gives."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, Registry
from torch import Tensor

from transfer.network.compare import Seen


@torch.no_grad()
def maps(config: Path, images: Tensor, models: Registry) -> Seen:
    """With the adapter or with the framework's own ResNet, as the config says."""
    model = Config.fromfile(config).model
    with DefaultScope.overwrite_default_scope(models.scope):  # whatever ran before in this process
        normalise = models.build(model.data_preprocessor)
        backbone = models.build(model.backbone)
        if hasattr(backbone, "init_weights"):  # their own ResNet: where Runner would load the weights
            backbone.init_weights()
    bgr = [image.flip(0) for image in images]  # as OpenMMLab's loaders give them
    pixels = normalise({"inputs": bgr, "data_samples": None})["inputs"]
    backbone.eval()  # not chained: their ResNet's train() returns nothing
    stages = model.backbone.get("out_stages") or [f"res{index + 2}" for index in model.backbone.out_indices]
    return pixels, dict(zip(stages, backbone(pixels), strict=True))
