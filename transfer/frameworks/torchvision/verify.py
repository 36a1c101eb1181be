"""A written Python file in torchvision."""

from pathlib import Path

import torch
from torch import Tensor

from transfer.frameworks import plain_python
from transfer.network.compare import Outcome
from transfer.network.probe import maps_of_whole


@torch.no_grad()
def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """The maps of the ResNet that its ``build()`` gives."""
    model, pixels = plain_python.run(config, images)
    plan = {f"res{number + 1}": (f"layer{number}",) for number in (1, 2, 3, 4)}
    return Outcome(pixels, maps_of_whole(model, plan, pixels))
