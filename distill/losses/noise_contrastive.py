"""Noise-contrastive estimation: telling the matching embedding from K others, each judged by itself."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.distributed import gather, world_size
from distill.losses.precision import at_least_float32


def match_logits(query: Tensor, positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Similarities over the temperature, in float32 at least whatever autocast says: (B, 1 + K).

    Args:
        query: (B, D), unit rows.
        positive: (B, D), unit rows that match the queries; their column comes first.
        negatives: (K, D), unit rows, the same for all queries (``bank_contrast_loss``: each has its own).
    """
    with torch.autocast(query.device.type, enabled=False):
        query, positive, negatives = (
            at_least_float32(x) for x in (query, positive, negatives)
        )
        own = (query * positive).sum(1, keepdim=True)
        return torch.cat([own, query @ negatives.T], dim=1) / temperature


def noise_contrastive_loss(logits: Tensor, log_mean: Tensor | float) -> Tensor:
    r"""``-log h_0 - sum_{j>0} log(1 - h_j)``, mean over the batch (CRD, Tian et al., ICLR 2020; equation 18
    in the authors' code).

    The critic is ``h = p / (p + K/n)`` with ``p = exp(logit) / Z`` and ``Z = n * mean(exp(logits))`` of the
    first batch. The number of samples ``n`` cancels: ``h = sigmoid(logit - log_mean - log K)``. In this
    form nothing overflows, and the code's ``1e-7`` in the denominator is not needed.

    Args:
        logits: (B, 1 + K) of ``match_logits``, the match first.
        log_mean: logarithm of the mean of ``exp(logits)`` that was fixed (``Normaliser``).

    Returns:
        A scalar, in nats: a sum over the K negatives, as in the paper.
    """
    logits = logits - (log_mean + math.log(logits.shape[1] - 1))
    return (F.softplus(-logits[:, 0]) + F.softplus(logits[:, 1:]).sum(1)).mean()


class Normaliser(nn.Module):
    """The normaliser of a noise-contrastive loss: taken from the first batch of all processes, then fixed.

    It is a buffer, so that a resumed run keeps it.

    Attributes:
        log_mean: logarithm of the mean of ``exp(logits)``; -inf before the first batch.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("log_mean", torch.tensor(float("-inf")))
        self._fixed = False  # known without a look at the buffer, which waits for a GPU

    def _load_from_state_dict(self, *args) -> None:
        super()._load_from_state_dict(*args)
        self._fixed = False

    @torch.no_grad()
    def forward(self, logits: Tensor) -> Tensor:
        """``log_mean``, which the first call takes from its ``logits`` (B, 1 + K)."""
        if not self._fixed and self.log_mean.isinf():
            here = logits.flatten().logsumexp(0) - math.log(logits.numel())
            self.log_mean.copy_(gather(here[None]).logsumexp(0) - math.log(world_size()))
        self._fixed = True
        return self.log_mean
