"""A written Python file in timm."""

from pathlib import Path

import torch
from torch import Tensor

from transfer.frameworks import plain_python
from transfer.network.compare import Outcome
from transfer.network.partition import plan_stages
from transfer.network.probe import maps_of_whole


@torch.no_grad()
def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """The maps of the network that its ``build()`` gives."""
    model, pixels = plain_python.run(config, images)
    plan, _ = plan_stages(model, type(model).__name__)
    maps = maps_of_whole(model, plan, pixels)
    return Outcome(pixels, {stage: x for stage, x in maps.items() if stage != "stem"})
