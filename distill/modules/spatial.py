"""Heads over maps: a teacher's head that keeps the places, and 1x1 convolutions for the student's."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from distill.errors import UserError


class SpatialAdaptor(nn.Module):
    """A head made for pooled features, applied to a whole map: (B, C, h, w) -> (B, D, h, w).

    Linear layers become 1x1 convolutions, batch norms work on maps, and a ReLU becomes
    ``x * 1[sum of x over the map > 0]``: one mask for each sample and channel (Huang and Guo, ICCV 2023).
    In eval mode the average of the output is then the head's output for the average of the map; a batch
    norm in train mode or a plain ReLU would break this.

    It has no weights of its own: it uses the head's, and the head's mode.

    Args:
        head: linear layers, batch norms and ReLUs, as ``Teacher.head``.

    Raises:
        UserError: a layer of another kind.
    """

    def __init__(self, head: nn.Sequential):
        super().__init__()
        for layer in head:
            if not isinstance(layer, nn.Linear | nn.BatchNorm1d | nn.ReLU):
                raise UserError(
                    f"SpatialAdaptor: no map can go through {type(layer).__name__}; "
                    "valid: Linear, BatchNorm1d, ReLU"
                )
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.head:
            if isinstance(layer, nn.Linear):
                x = F.conv2d(x, layer.weight[:, :, None, None], layer.bias)
            elif isinstance(layer, nn.BatchNorm1d):
                used = layer.track_running_stats or not layer.training
                mean, variance = (layer.running_mean, layer.running_var) if used else (None, None)
                x = F.batch_norm(
                    x, mean, variance, layer.weight, layer.bias, layer.training, layer.momentum, layer.eps
                )
            else:
                x = x * (x.sum((2, 3), keepdim=True) > 0)
        return x


BIASES = ("none", "hidden", "all")


def pixel_mlp(*widths: int, biases: str = "none") -> nn.Sequential:
    """1x1 convolutions of the given widths, batch norm and ReLU between: (B, C, h, w) -> (B, D, h, w).

    Args:
        biases: which convolutions have one, a name of ``BIASES``; ``hidden``: all but the last.

    >>> pixel_mlp(512, 4096, 256)       # PCD's projector for a ResNet-18
    """
    layers: list[nn.Module] = []
    last = len(widths) - 2
    for number, (inner, outer) in enumerate(pairwise(widths)):
        if layers:
            layers += [nn.BatchNorm2d(inner), nn.ReLU()]
        bias = biases == "all" or biases == "hidden" and number < last
        layers.append(nn.Conv2d(inner, outer, kernel_size=1, bias=bias))
    return nn.Sequential(*layers)
