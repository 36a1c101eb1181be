"""How a transformer's tokens become one vector."""

import torch
from torch import Tensor, nn

from distill.errors import UserError, unknown

POOLINGS = ("token", "mean", "both")


def check_pooling(net: nn.Module, arch: str, pooling: str) -> None:
    """Raises UserError for an unknown name, or a network that has no such tokens."""
    if pooling not in POOLINGS:
        raise unknown("teacher.pooling", pooling, POOLINGS)
    if not hasattr(net, "num_prefix_tokens"):
        raise UserError(f"teacher.pooling is {pooling!r}: {arch} has no tokens; leave it out")
    if pooling != "mean" and getattr(net, "cls_token", None) is None:
        raise UserError(f"teacher.pooling is {pooling!r}: {arch} has no class token; valid: mean")


def pool(tokens: Tensor, prefix: int, pooling: str) -> Tensor:
    """Normalised tokens (B, prefix + patches, width) -> (B, width), or (B, 2 * width) for ``both``.

    Args:
        prefix: how many class and register tokens come before those of the patches; a class token is the
            first of all.
        pooling: ``token``: the class token; ``mean``: the mean of the patches, without registers; ``both``:
            one after the other, as DINOv2's linear evaluation has them.
    """
    token, mean = tokens[:, 0], tokens[:, prefix:].mean(1)
    return {"token": token, "mean": mean, "both": torch.cat([token, mean], dim=1)}[pooling]
