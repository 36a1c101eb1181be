"""NT-Xent: SimCLR's contrastive loss."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.distributed import gather_with_gradient, rank
from distill.losses.precision import at_least_float32


def nt_xent_loss(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    r"""``-log exp(<z_i, z_j>/T) / sum_{k != i} exp(<z_i, z_k>/T)`` over all 2B views, mean
    (Chen et al., ICML 2020, equation 1).

    Views of all processes are negatives of one another; gradients flow through the gather, so that N
    processes of B/N images give the loss and gradient of one process of B.

    Args:
        first, second: (B, D) embeddings of two views of the same images; normalised here.
        temperature: 0.1 (with L2-normalised embeddings; the paper's Table 5).

    Returns:
        A scalar, in nats: the mean over this process's 2B views.
    """
    batch = first.shape[0]
    with torch.autocast(first.device.type, enabled=False):
        views = [F.normalize(at_least_float32(x), dim=1) for x in (first, second)]
        everyone = torch.cat([gather_with_gradient(view) for view in views])  # (2N, D), N = world * B
        total = everyone.shape[0] // 2
        logits = torch.cat(views) @ everyone.T / temperature  # (2B, 2N)
        here = torch.arange(batch, device=logits.device) + rank() * batch
        itself = torch.cat([here, here + total])
        other_view = torch.cat([here + total, here])
        logits = logits.scatter(1, itself[:, None], float("-inf"))
        return F.cross_entropy(logits, other_view)
