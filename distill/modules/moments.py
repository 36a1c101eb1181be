"""Mean and variance of each column over all rows there have been."""

import torch
from torch import Tensor, nn

from distill.distributed import gather
from distill.losses.regression import EPSILON


class Moments(nn.Module):
    """Mean and variance of the columns of every (N, width) that it was given, in all processes.

    They are buffers, so a resumed run goes on with the same ones, and of double precision: single precision
    stops counting at 16 million rows, which the pixels of maps reach within an epoch.

    Attributes:
        rows: how many there have been, a scalar.
        mean, variance: (width,); the variance is that of all rows, without Bessel's correction.
    """

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("rows", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(width, dtype=torch.float64))

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Adds the rows of ``x`` (N, width), as many in each process (Chan et al., 1979)."""
        x = x.double()
        means = gather(x.mean(0, keepdim=True))
        mean = means.mean(0)
        variance = gather(x.var(0, unbiased=False, keepdim=True)).mean(0) + means.var(0, unbiased=False)
        rows = len(x) * len(means)
        share = rows / (self.rows + rows)
        change = mean - self.mean
        self.variance.lerp_(variance, share).add_(change.square() * share * (1 - share))
        self.mean.add_(change * share)
        self.rows.add_(rows)

    def standardise(self, x: Tensor) -> Tensor:
        """Columns of (N, width) to mean 0 and variance 1, in the precision of ``x``."""
        return (x - self.mean.to(x.dtype)) * (self.variance + EPSILON).rsqrt().to(x.dtype)
