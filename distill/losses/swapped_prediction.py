"""Swapped prediction: the cluster assignment of one view is predicted from the others."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.losses.precision import at_least_float32


def swapped_prediction_loss(
    scores: Tensor, codes: Tensor, temperature: float = 0.1, own_copy: bool = False
) -> Tensor:
    r"""``-sum_p q_i[p] log softmax(s_v / T)[p]`` over pairs of views v != i, mean over i, v and the batch.

    SwAV (Caron et al., NeurIPS 2020, equation 2 with multi-crop, section 3.2) has K = 1. OSS (appendix A.1,
    pseudo-code) has K = 2: all views once clean and once with dropout in the head. It divides by K (V - 1),
    which is the number of views other than i if view i's dropout copy is left out too. Read literally, its
    sum keeps that copy and divides by the same number: ``own_copy=True``.

    Args:
        scores: (K, V, B, P) cosines of embeddings and prototypes: K copies of V views of B samples.
        codes: (C, B, P) targets ``q`` of the first C views; rows sum to 1, no gradient.
        temperature: 0.1.
        own_copy: leave out the first copy of view i alone; its further copies count.

    Returns:
        A scalar, in nats. In float32 at least, whatever autocast says.
    """
    copies, views = scores.shape[:2]
    with torch.autocast(scores.device.type, enabled=False):
        scores = at_least_float32(scores)
        log_p = F.log_softmax(scores / temperature, dim=-1)
        own = log_p[: 1 if own_copy else copies, : len(codes)].sum(0)  # (C, B, P)
        others = log_p.sum((0, 1)) - own
        return -(codes.detach() * others).sum(-1).mean() / (copies * (views - 1))
