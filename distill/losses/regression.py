"""Regression of the teacher's embeddings."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.distributed import gather_with_gradient
from distill.losses.precision import at_least_float32

EPSILON = 1e-5  # torch's batch norm's


def standardise(x: Tensor) -> Tensor:
    """Batch norm without parameters or running statistics: each column of (B, D) to mean 0 and variance 1.

    The statistics are those of the current batch of all processes, in eval mode too, and gradients flow
    through them. A batch of one becomes zeros.
    """
    mean = gather_with_gradient(x.mean(0, keepdim=True)).mean(0)
    x = x - mean
    variance = gather_with_gradient(x.square().mean(0, keepdim=True)).mean(0)
    return x * (variance + EPSILON).rsqrt()


NORMALISATIONS = {"none": lambda x: x, "l2": F.normalize, "batch_norm": standardise}


def regression_loss(student: Tensor, teacher: Tensor, normalisation: str = "none") -> Tensor:
    r"""Squared error between embeddings.

    ==============  =====================================================================================
    ``none``        Reg (CompRess section 4.2): mean of ``(s - t)^2`` over samples and columns
    ``batch_norm``  Reg-BN (same place): the same of ``standardise(s)`` and ``standardise(t)``
    ``l2``          SEED's l2 distance: mean over samples of ``|s/|s| - t/|t||^2 = 2 - 2 cos(s, t)``
    ==============  =====================================================================================

    CompRess does not say how Reg's error is reduced, nor whether its embeddings are normalised; its reason
    for Reg-BN, that the two embedding spaces do not match, would be lost on unit vectors.

    Args:
        student: (B, D).
        teacher: (B, D); no gradient.

    Returns:
        A scalar, computed in float32 at least.
    """
    normalise = NORMALISATIONS[normalisation]
    with torch.autocast(student.device.type, enabled=False):
        student, teacher = (at_least_float32(x) for x in (student, teacher.detach()))
        error = (normalise(student) - normalise(teacher)).square()
        return error.sum(1).mean() if normalisation == "l2" else error.mean()
