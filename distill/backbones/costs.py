"""What a network costs: its parameters, and its multiply-adds on one image."""

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from distill.backbones.backbone import create_backbone
from distill.errors import UserError


class Costs(NamedTuple):
    """``params``: number of parameters. ``gmacs``: 10^9 multiply-adds on one image."""

    params: int
    gmacs: float


def costs(arch: str, image_size: int = 224, classes: int = 0) -> Costs:
    """Parameters and multiply-adds of the network of that name, at the image size in pixels.

    Counted are convolutions, linear layers and attention, a multiply-add as one operation, as papers do
    (CompRess Table A1); torch counts it as two. Nothing is computed and no memory taken for the weights.

    Args:
        classes: count a linear classifier for that many classes in. Published numbers hold one for 1000.

    Raises:
        UserError: an unknown name, or a network that does not take images of that size.
    """
    with torch.device("meta"):
        network, image = create_backbone(arch).eval(), torch.zeros(1, 3, image_size, image_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        try:
            width = network(image).shape[-1]
        except (RuntimeError, AssertionError) as error:
            reason = str(error).strip().split("\n")[0]
            raise UserError(f"{arch} fails on images of {image_size} px: {reason}") from error
    params = sum(parameter.numel() for parameter in network.parameters()) + (width + 1) * classes
    return Costs(params, (counter.get_total_flops() / 2 + width * classes) / 1e9)
