"""A written config in Detectron2: the maps that its backbone gives."""

from pathlib import Path

import torch
from detectron2 import model_zoo
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import get_cfg
from detectron2.modeling import build_model
from torch import Tensor

from transfer.frameworks.detectron2.adapter import add_distilled_config
from transfer.network.compare import Seen


@torch.no_grad()
def maps(config: Path, weights_file: Path, images: Tensor) -> Seen:
    """With the adapters or with Detectron2's own ResNet, as the config says; C4 gives res4 and res5."""
    cfg = get_cfg()
    add_distilled_config(cfg)
    c4 = config.stem.endswith("_c4")
    cfg.merge_from_file(model_zoo.get_config_file(f"Base-RCNN-{'C4' if c4 else 'FPN'}.yaml"))
    cfg.merge_from_file(str(config))
    cfg.MODEL.DEVICE = "cpu"
    native = cfg.MODEL.DISTILLED.WEIGHTS == ""
    if not native:
        cfg.MODEL.DISTILLED.WEIGHTS = str(weights_file)
    model = build_model(cfg).eval()
    if native:
        DetectionCheckpointer(model).load(str(weights_file))
    ordered = images if cfg.INPUT.FORMAT == "RGB" else images.flip(1)
    pixels = model.preprocess_image([{"image": image} for image in ordered]).tensor
    if not c4:
        return pixels, model.backbone.bottom_up(pixels)
    maps = model.backbone(pixels)
    res5 = model.roi_heads.res5 if native else model.roi_heads.res5[0]  # without the new norm after it
    return pixels, {**maps, "res5": res5(maps["res4"])}
