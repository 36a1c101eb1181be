"""A written file in the toy framework."""

import runpy
from pathlib import Path

import torch
from torch import Tensor

from transfer.network.compare import Outcome
from transfer.network.partition import StagedBackbone


@torch.no_grad()
def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """The maps of the network that the file names, with the weights beside it."""
    said = runpy.run_path(str(config))
    mean, std = (torch.tensor(said[key]).view(3, 1, 1) for key in ("mean", "std"))
    pixels = (images / 255 - mean) / std
    network = StagedBackbone(said["arch"])
    network.load_state_dict(torch.load(weights_file, weights_only=True))
    return Outcome(pixels, network.eval()(pixels))
