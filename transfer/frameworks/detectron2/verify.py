"""A written config in Detectron2: its backbone's maps, and one training step of its detector."""

from __future__ import annotations

import runpy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from detectron2 import model_zoo
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetMapper
from detectron2.modeling import ROI_HEADS_REGISTRY, build_model
from detectron2.solver import build_optimizer
from detectron2.structures import BoxMode
from detectron2.utils.events import EventStorage
from PIL import Image
from torch import Tensor, nn

from transfer.frameworks.detectron2.adapter import add_distilled_config
from transfer.network.compare import Outcome

SHARE = 8  # the training step takes an eighth of the stock image size, for which a CPU needs a second
REGIONS = 4  # regions in an image instead of 512: each goes through a C4 detector's res5


def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """Loads the detector as Detectron2 does, takes the maps of ``images``, then trains one step.

    With the adapters or with Detectron2's own ResNet, as the config says; C4 gives res4 and res5.
    """
    cfg = get_cfg()
    add_distilled_config(cfg)
    c4 = config.stem.endswith("_c4")
    cfg.merge_from_file(model_zoo.get_config_file(f"Base-RCNN-{'C4' if c4 else 'FPN'}.yaml"))
    cfg.merge_from_file(str(config))
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = REGIONS
    native = cfg.MODEL.DISTILLED.WEIGHTS == ""
    if not native:
        cfg.MODEL.DISTILLED.WEIGHTS = str(weights_file)
    if c4 and native and cfg.MODEL.ROI_HEADS.NAME not in ROI_HEADS_REGISTRY:
        runpy.run_path(str(config.with_suffix(".py")))  # registers the box head, once in a process
    model = build_model(cfg)
    if native:
        DetectionCheckpointer(model).load(str(weights_file))
    pixels, maps = _maps(model.eval(), cfg, images, c4, native)
    return Outcome(pixels, maps, _train(model.train(), cfg))


@torch.no_grad()
def _maps(
    model: nn.Module, cfg: CfgNode, images: Tensor, c4: bool, native: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    ordered = images if cfg.INPUT.FORMAT == "RGB" else images.flip(1)
    pixels = model.preprocess_image([{"image": image} for image in ordered]).tensor
    if not c4:
        return pixels, model.backbone.bottom_up(pixels)
    maps = model.backbone(pixels)
    res5 = model.roi_heads.res5[:-1] if native else model.roi_heads.res5[0]  # without the new norm after it
    return pixels, {**maps, "res5": res5(maps["res4"])}


def _train(model: nn.Module, cfg: CfgNode) -> float:
    """The loss of one step on two images."""
    cfg.INPUT.MIN_SIZE_TRAIN = tuple(side // SHARE for side in cfg.INPUT.MIN_SIZE_TRAIN)
    cfg.INPUT.MAX_SIZE_TRAIN //= SHARE
    mapper = DatasetMapper(cfg, is_train=True)
    optimiser = build_optimizer(cfg, model)
    with TemporaryDirectory() as folder, EventStorage():
        loss = sum(model([mapper(_record(Path(folder))) for _ in range(2)]).values())
    loss.backward()
    optimiser.step()
    return loss.item()


def _record(folder: Path) -> dict:
    """An image with one object, as Detectron2's data sets have it."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (200, 300, 3), dtype=torch.uint8, generator=generator)
    Image.fromarray(pixels.numpy()).save(folder / "image.png")
    box = {"bbox": [30, 40, 200, 160], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 1}
    return {
        "file_name": str(folder / "image.png"), "image_id": 1, "height": 200, "width": 300,
        "annotations": [box],
    }  # fmt: skip
