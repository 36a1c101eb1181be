"""A written Python file in torchvision."""

import runpy
from pathlib import Path

import torch
from torch import Tensor

from transfer.network.compare import Outcome


@torch.no_grad()
def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """The features of the network that its ``build()`` gives, and the maps that its FPN takes."""
    written = runpy.run_path(str(config))
    pixels = written["normalise"](images / 255)
    maps = written["fpn_backbone"]().body(pixels)
    features = written["build"]()(pixels)
    return Outcome(pixels, dict(zip(written["CHANNELS"], maps.values(), strict=True)), features=features)
