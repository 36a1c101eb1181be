"""Views of several sizes through one network: one pass for each size, not for each view."""

from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.losses.precision import at_least_float32


def multi_crop_features(backbone: nn.Module, views: list[Tensor]) -> Tensor:
    """V views, each (B, 3, H, W), grouped by size -> features (V B, width), view by view."""
    groups = [list(group) for _, group in groupby(views, key=lambda view: view.shape[-2:])]
    return torch.cat([backbone(torch.cat(group)) for group in groups])


def multi_crop_embeddings(
    backbone: nn.Module,
    head: nn.Sequential,
    views: list[Tensor],
    dropout: tuple[float, float] | None = None,
) -> Tensor:
    """Unit embeddings (K, V, B, D): the clean ones and, with ``dropout``, a second, disturbed copy.

    Args:
        head: a linear layer, batch norm, ReLU and a linear layer.
        views: V of them, each (B, 3, H, W).
        dropout: rates on the head's hidden layer and on its output (OSS, appendix A.1). The copies share
            what comes before: a second pass up to the hidden layer would compute the same.
    """
    hidden = head[:-1](multi_crop_features(backbone, views))  # (V B, hidden)
    outputs = [head[-1](hidden)]
    if dropout is not None:
        disturbed = head[-1](F.dropout(hidden, dropout[0], head.training))
        outputs.append(F.dropout(disturbed, dropout[1], head.training))
    outputs = torch.stack(outputs)
    outputs = at_least_float32(outputs)  # half under autocast
    return F.normalize(outputs, dim=-1).unflatten(1, (len(views), -1))
