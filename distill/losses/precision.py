"""Losses compute in single precision at least, whatever autocast says."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x``, in float32 if it was in half precision; double precision stays."""
    return x if x.dtype == torch.float64 else x.float()
