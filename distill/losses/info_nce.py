"""InfoNCE: MoCo's contrastive loss over a queue."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.losses.precision import at_least_float32


def info_nce_loss(query: Tensor, key: Tensor, negatives: Tensor, temperature: float = 0.2) -> Tensor:
    r"""``-log exp(<q, k>/T) / (exp(<q, k>/T) + sum_j exp(<q, n_j>/T))``, mean over the batch
    (He et al., CVPR 2020, equation 1).

    Args:
        query: (B, D) embeddings; normalised here.
        key: (B, D) embeddings of another view of the same images; normalised here, no gradient.
        negatives: (K, D), unit rows: earlier keys. They may be overwritten before the backward pass.
        temperature: 0.2 (MoCo-v2; 0.07 in its first version).

    Returns:
        A scalar, in nats. In float32 at least, whatever autocast says.
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key = (F.normalize(at_least_float32(x), dim=1) for x in (query, key))
        positive = (query * key.detach()).sum(1, keepdim=True)  # (B, 1)
        # (B, K); of a copy, because the queue changes before the backward pass
        others = query @ negatives.detach().clone().T
        logits = torch.cat([positive, others], dim=1) / temperature
        return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))
