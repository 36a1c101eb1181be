"""A trained network in this project's own format."""

import os

import torch
from torch import nn

from distill.backbones import create_backbone
from distill.backbones.weights import State
from distill.results.atomic import write_tensors

FORMAT, VERSION = "distill", 1
TORCH_EPSILON = 1e-5  # PyTorch's default for batch norms


def save_student(
    path: str | os.PathLike,
    backbone: nn.Module,
    arch: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    image_size: int | None,
    head: State | None = None,
    prototypes: torch.Tensor | None = None,
    meta: dict | None = None,
) -> None:
    """Writes a trained network atomically in this project's format, which ``read_weights`` takes.

    Args:
        backbone: the timm module (or another of ``create_backbone``), without classifier.
        mean, std: RGB, for images in [0, 1].
        image_size: side of the training views in pixels, where it is known.
        head: state dict of its projection head, where it can serve as a teacher's (SEED's).
        prototypes: (P, D) cluster centres of its embeddings, where the method learns them.
        meta: plain values about the run.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "arch": arch,
        "backbone": _portable_state(backbone, arch),
        "head": None if head is None else {key: value.detach().cpu().clone() for key, value in head.items()},
        "prototypes": None if prototypes is None else prototypes.detach().cpu().clone(),
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "image_size": image_size,
        "meta": meta or {},
    }
    write_tensors(path, content)


def _portable_state(backbone: nn.Module, arch: str) -> State:
    """The weights with which the network that ``arch`` alone makes gives the same features.

    A batch norm divides by the root of variance + epsilon. Where it was trained with another epsilon
    (SEED's EfficientNet), the difference is added to its variance.
    """
    state = {key: value.detach().cpu().clone() for key, value in backbone.state_dict().items()}
    trained = {name: module.eps for name, module in _batch_norms(backbone)}
    if set(trained.values()) <= {TORCH_EPSILON}:
        return state
    with torch.device("meta"):
        own = {name: module.eps for name, module in _batch_norms(create_backbone(arch))}
    for name, epsilon in trained.items():
        state[f"{name}.running_var"] += epsilon - own[name]
    return state


def _batch_norms(network: nn.Module) -> list[tuple[str, nn.Module]]:
    return [pair for pair in network.named_modules() if isinstance(pair[1], nn.modules.batchnorm._BatchNorm)]
