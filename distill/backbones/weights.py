"""A network's weights in one form, and strict loading."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from distill.errors import UserError

State = dict[str, Tensor]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Weights:
    """The content of a checkpoint in one form, whatever its layout.

    ``backbone`` has the keys of ``create_backbone(arch)``; ``head`` (if any) those of a ``Sequential``;
    ``prototypes`` (if any) are (P, D) cluster centres of the head's embeddings. ``mean`` and ``std`` are RGB,
    for images in [0, 1]; ``source`` names the layout, ``dropped`` the parts of the file that are not used.
    """

    arch: str
    backbone: State
    head: State | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    path: str
    sha256: str
    image_size: int | None = None
    dropped: tuple[str, ...] = ()
    meta: dict = field(default_factory=dict)
    prototypes: torch.Tensor | None = None


@dataclass(frozen=True)
class LoadReport:
    """What a strict load matched."""

    what: str
    tensors: int
    values: int

    def lines(self) -> list[str]:
        return [f"loaded {self.what}: all {self.tensors} tensors matched ({self.values / 1e6:.2f} M values)"]


def load_strict(module: nn.Module, state: State, what: str) -> LoadReport:
    """Loads ``state`` into ``module`` if keys and shapes are exactly the module's.

    Raises:
        UserError: naming the missing, unexpected and mis-shaped keys; the module is left untouched.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    shapes = [
        f"{key} is {tuple(state[key].shape)}, wanted {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(keys)} {kind} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    if problems:
        matched = len(wanted) - len(missing) - len(shapes)
        raise UserError(f"{what}: {matched} of {len(wanted)} tensors match; {'; '.join(problems)}")
    module.load_state_dict(state, strict=True)
    return LoadReport(what, len(wanted), sum(tensor.numel() for tensor in wanted.values()))


def state_sha256(state: State) -> str:
    """SHA-256 over names, types and values of a state dict: for weights that came without a file."""
    digest = hashlib.sha256()
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        digest.update(f"{key}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
