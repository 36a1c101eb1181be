"""Small networks behind a backbone: projectors and predictors."""

from itertools import pairwise

from torch import Tensor, nn


def mlp(*widths: int, norm: bool = False, last_norm: bool = False) -> nn.Sequential:
    """Linear layers of the given widths with ReLU between them: (B, widths[0]) -> (B, widths[-1]).

    ``norm`` puts a batch norm before every ReLU, ``last_norm`` one behind the last layer.

    >>> mlp(512, 512, 128)      # MoCo-v2's and SEED's head
    >>> mlp(512, 2048, 128, norm=True)      # SwAV's head
    """
    layers: list[nn.Module] = []
    pairs = list(pairwise(widths))
    for number, (inner, outer) in enumerate(pairs):
        layers.append(nn.Linear(inner, outer))
        if number < len(pairs) - 1:
            layers.extend([nn.BatchNorm1d(outer), nn.ReLU()] if norm else [nn.ReLU()])
        elif last_norm:
            layers.append(nn.BatchNorm1d(outer))
    return nn.Sequential(*layers)


def head_from_state(state: dict[str, Tensor]) -> nn.Sequential:
    """Rebuilds the head that a state dict ``{"0.weight": ..., "2.weight": ...}`` belongs to.

    Two-dimensional weights are linear layers, one-dimensional ones with statistics batch norms, and
    every index without weights is a ReLU. The values are not loaded here.
    """
    last = max(int(key.split(".")[0]) for key in state)
    layers: list[nn.Module] = []
    for index in range(last + 1):
        weight = state.get(f"{index}.weight")
        if weight is None:
            layers.append(nn.ReLU())
        elif weight.ndim == 2:
            layers.append(nn.Linear(weight.shape[1], weight.shape[0], bias=f"{index}.bias" in state))
        else:
            layers.append(nn.BatchNorm1d(weight.shape[0]))
    return nn.Sequential(*layers)
