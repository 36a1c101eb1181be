"""A written Python file in timm."""

from pathlib import Path

import torch
from torch import Tensor

from transfer.frameworks import plain_python
from transfer.network.compare import Seen
from transfer.network.partition import maps_of_whole, plan_stages


@torch.no_grad()
def maps(config: Path, weights_file: Path, images: Tensor) -> Seen:
    """The maps of the network that its ``build()`` gives."""
    model, pixels = plain_python.run(config, images)
    plan, _ = plan_stages(model, type(model).__name__)
    return pixels, {stage: x for stage, x in maps_of_whole(model, plan, pixels).items() if stage != "stem"}
