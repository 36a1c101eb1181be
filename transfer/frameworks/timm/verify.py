"""A written folder in timm."""

from pathlib import Path
from tempfile import TemporaryDirectory

import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor

from transfer.network.compare import Outcome
from transfer.network.partition import plan_stages
from transfer.network.probe import maps_of_whole


@torch.no_grad()
def run(config: Path, weights_file: Path, images: Tensor) -> Outcome:
    """Maps and features of the network that timm makes of the folder."""
    with TemporaryDirectory() as folder:
        link = Path(folder) / "model"  # safetensors opens no path that is not UTF-8
        link.symlink_to(config.parent.resolve())
        model = timm.create_model(f"local-dir:{link}", pretrained=True).eval()
    data = resolve_model_data_config(model)
    mean, std = (torch.tensor(data[key]).view(3, 1, 1) for key in ("mean", "std"))
    pixels = (images / 255 - mean) / std
    plan, _ = plan_stages(model, type(model).__name__)
    maps = maps_of_whole(model, plan, pixels)
    return Outcome(pixels, {stage: x for stage, x in maps.items() if stage != "stem"}, features=model(pixels))
