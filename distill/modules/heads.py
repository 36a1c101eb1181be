"""Small networks behind a backbone: projectors and predictors."""

from itertools import pairwise

from torch import Tensor, nn

from distill.errors import UserError


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

    Two-dimensional weights are linear layers, statistics are batch norms (without affine where they
    have no weight and bias), and an index without any key is a ReLU. The values are not loaded here.

    Raises:
        UserError: keys or widths that no such chain of layers has.
    """
    parts: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        index, _, name = key.partition(".")
        if not index.isdigit():
            raise UserError(f"projection head: unexpected {key}; its keys are numbers of layers")
        parts.setdefault(int(index), {})[name] = value
    layers: list[nn.Module] = []
    width = None
    for index in range(max(parts) + 1):
        layer, inner, outer = _layer(index, parts.get(index, {}), width)
        # a missing layer looks like a ReLU; a real ReLU never comes first or behind another one
        if isinstance(layer, nn.ReLU) and (not layers or isinstance(layers[-1], nn.ReLU)):
            raise UserError(f"projection head: {index}.weight is missing")
        if width not in (None, inner):
            raise UserError(f"projection head: layer {index} takes width {inner}, not the {width} before it")
        layers.append(layer)
        width = outer
    return nn.Sequential(*layers)


def _layer(index: int, part: dict[str, Tensor], width: int | None) -> tuple[nn.Module, int, int]:
    """The layer with these tensors after a layer of ``width``, and its input and output widths."""
    weight = part.get("weight")
    if not part:
        return nn.ReLU(), width, width
    if weight is not None and weight.ndim == 2:
        outer, inner = weight.shape
        return nn.Linear(inner, outer, bias="bias" in part), inner, outer
    statistics = [part[name] for name in ("running_mean", "running_var") if name in part]
    if not statistics:
        missing = "weight" if weight is None else "running_mean"
        raise UserError(f"projection head: {index}.{missing} is missing")
    size = len(statistics[0])
    return nn.BatchNorm1d(size, affine=bool({"weight", "bias"} & part.keys())), size, size


def head_width(head: nn.Sequential) -> int:
    """Width of a head's embeddings, whether it ends in a linear layer or a batch norm."""
    last = head[-1]
    return last.num_features if isinstance(last, nn.BatchNorm1d) else last.out_features
