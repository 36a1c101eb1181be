"""A network's weights in one form, and strict loading."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from distill.errors import UserError

State = dict[str, Tensor]
FLOAT32_MAX = torch.finfo(torch.float32).max
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Weights:
    """The content of a checkpoint in one form, whatever its layout.

    ``backbone`` has the keys of ``create_backbone(arch)``; ``head`` (if any) those of a ``Sequential``;
    ``prototypes`` (if any) are (P, D) cluster centres of the head's embeddings. ``mean`` and ``std`` are RGB,
    for images in [0, 1], ``pixels_from`` says who tells them; ``source`` names the layout, ``dropped`` the
    parts of the file that are not used, ``note`` says what the file leaves open.
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
    note: str = ""
    pixels_from: str = "the architecture's default"

    def __post_init__(self):
        check_mean(f"{self.path}: its mean", self.mean)
        check_std(f"{self.path}: its std", self.std)
        if (centres := self.prototypes) is not None and (centres.ndim != 2 or not centres.isfinite().all()):
            raise UserError(f"{self.path}: its prototypes are no (P, D) finite numbers")


def check_mean(name: str, values: Sequence) -> None:
    """Raises UserError unless these are three numbers that 32 bits hold."""
    if not _are_three(values):
        raise UserError(f"{name} is {tuple(values)}; valid: three numbers")


def check_std(name: str, values: Sequence) -> None:
    """Raises UserError unless these are three numbers above 0 that 32 bits hold."""
    if not (_are_three(values) and min(map(np.float32, values)) > 0):
        raise UserError(f"{name} is {tuple(values)}; valid: three numbers above 0")


def _are_three(values: Sequence) -> bool:
    numbers = [value for value in values if isinstance(value, int | float) and abs(value) < FLOAT32_MAX]
    return len(numbers) == len(values) == 3


@dataclass(frozen=True)
class LoadReport:
    """What a strict load matched."""

    what: str
    tensors: int
    values: int
    note: str = ""

    def lines(self) -> list[str]:
        matched = f"all {self.tensors} tensors matched ({self.values / 1e6:.2f} M values)"
        return [f"loaded {self.what}: {matched}", *([f"  {self.note}"] if self.note else [])]


def load_strict(module: nn.Module, state: State, what: str) -> LoadReport:
    """Loads ``state`` into ``module`` if keys and shapes are exactly the module's, and all values numbers.

    Raises:
        UserError: naming the missing, unexpected and mis-shaped keys, tensors of another kind (integers for
            floats, sparse ones) and those with NaN or infinite values; the module is left untouched.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    shapes = [
        f"{key} is {tuple(state[key].shape)}, wanted {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    known = [key for key in wanted if key in state and state[key].shape == wanted[key].shape]
    kinds = [f"{key} is {kind}" for key in known if (kind := _other_kind(state[key], wanted[key]))]
    full = [key for key in known if not (kinds or state[key].is_meta)]
    endless = [key for key in full if not state[key].float().isfinite().all()]
    found = (
        ("missing", missing), ("unexpected", unexpected), ("of another shape", shapes),
        ("of another kind", kinds), ("with NaN or infinite values", endless),
    )  # fmt: skip
    problems = [
        f"{len(keys)} {kind} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for kind, keys in found
        if keys
    ]
    if problems:
        matched = len(wanted) - sum(map(len, (missing, shapes, kinds, endless)))
        raise UserError(f"{what}: {matched} of {len(wanted)} tensors match; {'; '.join(problems)}")
    module.load_state_dict(state, strict=True)
    return LoadReport(what, len(wanted), sum(tensor.numel() for tensor in wanted.values()))


def _other_kind(tensor: Tensor, wanted: Tensor) -> str | None:
    """What keeps ``tensor`` from being copied into ``wanted`` as it is, if anything."""
    if tensor.is_meta and not wanted.is_meta:
        return "without values"
    if tensor.is_quantized or tensor.layout is not torch.strided:
        return "quantised" if tensor.is_quantized else "sparse"
    same = tensor.is_floating_point() == wanted.is_floating_point() and not tensor.is_complex()
    return None if same else str(tensor.dtype).removeprefix("torch.")


def state_sha256(state: State) -> str:
    """SHA-256 over names, types and values of a state dict: for weights that came without a file."""
    digest = hashlib.sha256()
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        digest.update(f"{key}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
