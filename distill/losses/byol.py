"""BYOL: the target network's embedding is predicted."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.losses.precision import at_least_float32


def byol_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""``|p/|p| - z/|z||^2 = 2 - 2 cos(p, z)``, mean over the batch (Grill et al., NeurIPS 2020, equation 2).

    One direction; the paper adds the same with the views exchanged. The widely used ``-2 cos`` differs by a
    constant; in this form the loss of a perfect prediction is 0.

    Args:
        prediction: (B, D) of one view, by the online network's predictor; normalised here.
        target: (B, D) of the other view, by the target network's projector; normalised here, no gradient.

    Returns:
        A scalar from 0 to 4. In float32 at least, whatever autocast says.
    """
    with torch.autocast(prediction.device.type, enabled=False):
        p, z = (
            F.normalize(at_least_float32(x), dim=1)
            for x in (prediction, target.detach())
        )
        return 2 - 2 * (p * z).sum(1).mean()
