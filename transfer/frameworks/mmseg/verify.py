"""A written config in MMSegmentation."""

from pathlib import Path

import mmseg.datasets  # noqa: F401  registers what reads images
import torch
from mmseg.registry import MODELS
from PIL import Image
from torch import Tensor

from transfer.frameworks.openmmlab import verify
from transfer.network.compare import Outcome


def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """The maps of its backbone, which finds its weights beside the config; a step on VOC2012's settings."""
    return verify.run(config, images, MODELS, "mmseg::_base_/datasets/pascal_voc12.py", _record)


def _record(folder: Path) -> dict:
    """An image and its mask of classes 0 to 18, as ``PascalVOCDataset`` has them."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (200, 300, 3), dtype=torch.uint8, generator=generator)
    Image.fromarray(pixels.numpy()).save(folder / "image.png")
    Image.fromarray((pixels[..., 0] % 19).numpy()).save(folder / "mask.png")
    return {
        "img_path": str(folder / "image.png"), "seg_map_path": str(folder / "mask.png"),
        "reduce_zero_label": False, "label_map": None, "seg_fields": [],
    }  # fmt: skip
