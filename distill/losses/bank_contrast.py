"""CRD's loss: an image's embedding against rows of a memory bank, each image with negatives of its own.

Copied out of the bank the negatives are (B, K, D) numbers, 2 GB for 256 images and 16,384 negatives. Here
they are read block by block, and the forward pass computes the gradient, so that nothing of the bank is
kept: it changes before the backward pass.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.losses.noise_contrastive import noise_contrastive_loss
from distill.losses.precision import at_least_float32

# Numbers that are copied out of the bank at a time: few enough for a CPU's cache, enough to fill a GPU.
BLOCK = {"cpu": 2**19, "cuda": 2**26}
PART = 512  # rows that are summed one after another: a GPU sums many such parts at a time


class _FindInBank(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, bank, index, temperature, normaliser):
        logits = _similarities(query, bank, index).div_(temperature)
        log_mean = normaliser(logits)
        with torch.enable_grad():
            loss = noise_contrastive_loss(logits.requires_grad_(), log_mean)
        gradient = None
        if ctx.needs_input_grad[0]:
            (slope,) = torch.autograd.grad(loss, logits)
            gradient = _weighted_sum(bank, index, slope).div_(temperature)
        ctx.save_for_backward(gradient)
        return loss.detach()

    @staticmethod
    def backward(ctx, grad):
        (gradient,) = ctx.saved_tensors
        return grad * gradient, None, None, None, None


def bank_contrast_loss(
    query: Tensor,
    bank: Tensor,
    index: Tensor,
    negatives: Tensor,
    temperature: float,
    normaliser: Callable[[Tensor], Tensor | float],
) -> Tensor:
    """``noise_contrastive_loss`` of queries that look for their own rows of a bank among others.

    Args:
        query: (B, D), unit rows.
        bank: (N, D), unit rows, no gradient; it may be overwritten before the backward pass.
        index: rows that match the queries, (B,).
        negatives: each query's other rows, (B, K).
        temperature: 0.07.
        normaliser: gives ``log_mean`` for the logits (B, 1 + K), the match first: a ``Normaliser``.

    Returns:
        A scalar, in nats: the mean over the batch of sums over the negatives. In float32 at least, whatever
        autocast says.
    """
    with torch.autocast(query.device.type, enabled=False):
        rows = torch.cat([index[:, None], negatives], dim=1)
        return _FindInBank.apply(at_least_float32(query), bank, rows, temperature, normaliser)


def _similarities(query: Tensor, bank: Tensor, index: Tensor) -> Tensor:
    """Dot products of each query (B, D) with its rows ``index`` (B, K) of the bank: (B, K)."""
    batch, count = index.shape
    found = query.new_empty(batch, count)
    most = BLOCK.get(query.device.type, 2**26) // bank.shape[1]
    high, wide = max(1, most // count), min(count, max(1, most))
    copied = bank.new_empty(high * wide, bank.shape[1])  # one block for all: fresh memory takes longer
    for top in range(0, batch, high):
        for left in range(0, count, wide):
            here = slice(top, top + high), slice(left, left + wide)
            part = index[here]
            block = torch.index_select(bank, 0, part.flatten(), out=copied[: part.numel()])
            found[here] = (block.view(*part.shape, -1) @ query[here[0], :, None])[..., 0]
    return found


def _weighted_sum(bank: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """``sum_k weights[b, k] bank[index[b, k]]``: (B, D)."""
    batch, count = index.shape
    each = torch.arange(batch, device=index.device)[:, None] * count
    starts = each + torch.arange(0, count, PART, device=index.device)
    sums = F.embedding_bag(
        index.flatten(), bank, starts.flatten(), mode="sum", per_sample_weights=weights.flatten()
    )
    return sums.view(batch, -1, bank.shape[1]).sum(1)
