"""Gradients multiplied on their way back: reversed for an adversary, zero for what is frozen."""

import math

import torch
from torch import Tensor


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.scale, None


def scale_gradient(x: Tensor, scale: float) -> Tensor:
    """``x`` itself, whose gradient is multiplied by ``scale``.

    Below zero it is the gradient reversal layer (Ganin and Lempitsky, ICML 2015). Zero freezes a parameter
    and yet gives it a gradient, which DistributedDataParallel waits for.
    """
    return _ScaleGradient.apply(x, scale)


def reversal_scale(fraction: float) -> float:
    """``1 - 2 / (1 + exp(-10 n/N))``: 0 at the start, about -1 at the end (OSS, appendix A.1).

    Args:
        fraction: n/N, the part of the run that is done.
    """
    return 1 - 2 / (1 + math.exp(-10 * fraction))
