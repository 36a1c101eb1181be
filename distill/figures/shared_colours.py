"""Feature maps of several networks in colours that mean the same in all of them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

COMPONENTS = 3
CUT_OFF = 0.02  # share of the values at either end that get the extreme colour


def shared_components(features: Sequence[Tensor]) -> list[Tensor]:
    """One principal component analysis over all positions and all networks.

    Channels of two networks have nothing to do with each other, and their numbers differ, so that their
    features cannot be rows of one matrix. The positions are the same: here a position is a row, which holds
    the channels of all networks, each network's centred and divided by their largest singular value, so that
    every network counts alike. A component of that matrix weighs the channels of each network; what a
    network's own channels give for it, times the number of networks, are the network's scores, and their mean
    over the networks is the component. This is multiple factor analysis (Escofier and Pages, 1994; the
    "partial factor scores" of Abdi, Williams and Valentin, 2013).

    Rotating or scaling a network's channels changes nothing. A network that agrees with the others about a
    position has their scores there.

    Args:
        features: (P, D) of each network, at the same P positions.

    Returns:
        (P, 3) of each network, in float64.
    """
    blocks = []
    for each in features:
        centred = each.double() - each.double().mean(0)
        largest = torch.linalg.matrix_norm(centred, ord=2)
        blocks.append(centred / largest.clamp(min=torch.finfo(torch.float32).tiny))
    _, _, directions = torch.linalg.svd(torch.cat(blocks, dim=1), full_matrices=False)
    weights = directions[:COMPONENTS].T.split([block.shape[1] for block in blocks])
    scores = [len(blocks) * block @ weight for block, weight in zip(blocks, weights, strict=True)]
    # a component's sign is open: the position farthest from the mean gets a positive one
    mean = torch.stack(scores).mean(0)
    sign = mean.gather(0, mean.abs().argmax(0, keepdim=True)).sign()
    return [torch.nn.functional.pad(each * sign, (0, COMPONENTS - each.shape[1])) for each in scores]


def colours(scores: Sequence[Tensor]) -> list[np.ndarray]:
    """Scores (P, 3) of each network -> RGB (P, 3) in 0..1, by one scale for all networks.

    The first component is lightness, the second blue to yellow, the third green to red (CIELAB): what matters
    most is what everybody sees.
    """
    together = torch.cat(list(scores))
    low, high = (torch.quantile(together, share, dim=0) for share in (CUT_OFF, 1 - CUT_OFF))
    found = []
    for each in scores:
        part = ((each - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
        lightness, yellow, red = part.float().numpy().T
        lab = np.stack([15 + 75 * lightness, 100 * (red - 0.5), 110 * (yellow - 0.5)], axis=-1)
        found.append(np.clip(cv2.cvtColor(lab[None].astype(np.float32), cv2.COLOR_Lab2RGB)[0], 0, 1))
    return found
