"""The slowly moving copy of a network."""

import copy

import torch
from torch import nn


class MovingAverage(nn.Module):
    """A copy of ``network`` whose parameters follow it: ``k <- momentum * k + (1 - momentum) * q``.

    Only parameters are averaged. Batch-norm statistics are the copy's own, gathered in train mode
    from the batches it sees (MoCo, CompRess). It is a submodule, so a resumed run keeps it.
    """

    def __init__(self, network: nn.Module, momentum: float):
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.momentum = momentum

    @torch.no_grad()
    def update(self, network: nn.Module, momentum: float | None = None) -> None:
        """One step towards ``network``, which has the same parameters.

        Args:
            momentum: of this step, where it changes during the run; by default the constructor's.
        """
        momentum = self.momentum if momentum is None else momentum
        slow, fast = list(self.network.parameters()), list(network.parameters())
        torch._foreach_mul_(slow, momentum)  # a few kernels for all of them
        torch._foreach_add_(slow, fast, alpha=1 - momentum)

    @torch.no_grad()
    def forward(self, *inputs):
        """The copy's output, without gradient."""
        return self.network(*inputs)
