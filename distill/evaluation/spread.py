"""What features tell without labels: in how many directions they spread, whose neighbours they share."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.backbones import Backbone

EPSILON = 1e-7  # in RankMe's shares


def rankme(x: Tensor) -> float:
    """RankMe (Garrido et al., ICML 2023, eq. 1): ``exp(-sum p log p)`` of features (N, D), not centred.

    ``p`` are the singular values as shares of their sum, plus 1e-7. It is between 1, also where all features
    are 0, and min(N, D).
    """
    x = x.double()
    gram = x @ x.T if len(x) <= x.shape[1] else x.T @ x  # its eigenvalues are the squares
    values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    return torch.special.entr(values / values.sum().clamp(min=1e-300) + EPSILON).sum().exp().item()


def mean_cosine(x: Tensor) -> float:
    """Mean cosine similarity between features (N, D) of different images: 1 when all look the same."""
    x = F.normalize(x.double())
    return ((x.sum(0).square().sum() - len(x)) / (len(x) * (len(x) - 1))).item()


def shared_neighbours(x: Tensor, y: Tensor, k: int = 10) -> float:
    """Share of each image's k nearest others, by cosine, that features (N, D) and (N, E) have in common.

    Unrelated ones share about k / (N - 1).
    """
    k = min(k, len(x) - 1)
    near = [torch.zeros(len(each), len(each)).scatter_(1, _nearest(each, k), 1) for each in (x, y)]
    return ((near[0] * near[1]).sum() / (k * len(x))).item()


def _nearest(x: Tensor, k: int) -> Tensor:
    x = F.normalize(x.float())
    return (x @ x.T).fill_diagonal_(-torch.inf).topk(k).indices


def by_the_batch(network: Backbone) -> Backbone:
    """A copy in eval mode whose batch norms use the batch's statistics, of this process alone.

    Those that they keep follow the weights from afar as a run begins: by them every image looks the same.
    """
    network = network.copy().eval()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean = module.running_var = None
    return network
