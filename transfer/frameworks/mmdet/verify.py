"""A written config in MMDetection."""

from pathlib import Path

import mmdet.datasets  # noqa: F401  registers what reads images
import torch
from mmdet.registry import MODELS
from PIL import Image
from torch import Tensor

from transfer.frameworks.openmmlab import verify
from transfer.network.compare import Outcome


def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """The maps of its backbone, which finds its weights beside the config; a step on COCO's settings."""
    quick = {"model.train_cfg.rcnn.sampler.num": 16}  # regions a step, of 512
    return verify.run(config, images, MODELS, "mmdet::_base_/datasets/coco_instance.py", _record, quick)


def _record(folder: Path) -> dict:
    """An image with one object, as ``CocoDataset`` has it."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (200, 300, 3), dtype=torch.uint8, generator=generator)
    Image.fromarray(pixels.numpy()).save(folder / "image.png")
    x1, y1, x2, y2 = 30, 40, 200, 160
    box = {"bbox": [x1, y1, x2, y2], "bbox_label": 1, "ignore_flag": 0, "mask": [[x1, y1, x2, y1, x2, y2]]}
    return {
        "img_path": str(folder / "image.png"), "img_id": 1, "height": 200, "width": 300, "instances": [box]
    }  # fmt: skip
