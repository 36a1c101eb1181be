"""Loads a checkpoint into stages, strictly, and writes the files that the frameworks read."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from distill.backbones.weights import LoadReport, State, Weights, load_strict
from distill.checkpoints import FORMAT, file_sha256, read_weights
from distill.errors import UserError
from distill.results.atomic import write_bytes, write_tensors
from transfer.network.partition import StagedBackbone

AUTHOR = "distill"  # what Detectron2 prints as the origin of a .pkl

# The names that a pickle of NumPy arrays consists of; any other name in a .pkl would be code to run.
ARRAY_NAMES = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")} | {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
}


def read_stage_weights(path: str | os.PathLike, arch: str | None = None) -> Weights:
    """Any file that ``distill.checkpoints.read_weights`` takes, or a ``.pkl`` that this package wrote.

    Mean and standard deviation are given as people write them: 0.485, where a file holds the nearest 32-bit
    number, 0.48500001430511475.

    Raises:
        UserError: unreadable, of another architecture, or one that needs code to load.
    """
    weights = _read_own(path, arch) if Path(path).suffix == ".pkl" else read_weights(path, arch)
    return replace(weights, mean=_short(weights.mean), std=_short(weights.std))


def _short(values: tuple[float, ...]) -> tuple[float, ...]:
    """32-bit numbers as their shortest decimals; other numbers, which a person wrote, as they are."""
    rounded = [np.float32(value) for value in values]
    return tuple(float(str(b)) if float(b) == a else a for a, b in zip(values, rounded, strict=True))


def _read_own(path: str | os.PathLike, arch: str | None) -> Weights:
    content = _read_arrays(Path(path))
    about = content.get(FORMAT)
    if not isinstance(about, dict) or "arch" not in about:
        raise UserError(f"{path}: not a .pkl that this project wrote; give the checkpoint it was made from")
    if arch not in (None, about["arch"]):
        raise UserError(f"{path}: holds a {about['arch']}, not a {arch}")
    state = {key: torch.from_numpy(array) for key, array in content["model"].items()}
    mean, std = tuple(about["mean"]), tuple(about["std"])
    arch, digest = about["arch"], file_sha256(path)
    return Weights(arch, state, None, mean, std, FORMAT, str(path), digest, pixels_from="the file")


def load_stages(backbone: StagedBackbone, weights: Weights) -> LoadReport:
    """Loads a whole checkpoint into the stages, strictly; only keys of parts left out may remain.

    Raises:
        UserError: any key of the stages is missing or mis-shaped, or a key belongs to no part of the network.
    """
    state = {key: value for key, value in weights.backbone.items() if key not in backbone.unused_keys}
    stages = f"{next(iter(backbone.plan))}..{list(backbone.plan)[-1]}"
    report = load_strict(backbone, state, f"{backbone.arch} {stages} <- {weights.path}")
    return replace(report, note=weights.note)


def write_arrays(path: str | os.PathLike, state: State, weights: Weights) -> None:
    """Writes a ``.pkl`` of NumPy arrays: Detectron2's checkpointer matches its keys by their ends."""
    content = {
        "model": {key: value.cpu().numpy() for key, value in state.items()},
        "__author__": AUTHOR,
        "matching_heuristics": True,
        FORMAT: {"arch": weights.arch, "mean": weights.mean, "std": weights.std},
    }
    write_bytes(path, pickle.dumps(content))


def write_checkpoint(path: str | os.PathLike, state: State, weights: Weights) -> None:
    """Writes a ``.pth`` that ``read_weights`` takes, and OpenMMLab's loaders by its ``state_dict``."""
    content = {
        "format": FORMAT, "version": 1, "arch": weights.arch, "backbone": state, "head": None,
        "mean": list(weights.mean), "std": list(weights.std), "image_size": weights.image_size, "meta": {},
        "state_dict": state,  # the same tensors: stored once
    }  # fmt: skip
    write_tensors(path, content)


def write_state(path: str | os.PathLike, state: State, weights: Weights) -> None:
    """Writes a bare state dict, as torchvision's files are."""
    write_tensors(path, state)


def write_safetensors(path: str | os.PathLike, state: State, weights: Weights) -> None:
    """Writes the ``.safetensors`` that timm reads."""
    from safetensors.torch import save

    about = {"arch": weights.arch, "mean": str(list(weights.mean)), "std": str(list(weights.std))}
    write_bytes(path, save({key: value.contiguous() for key, value in state.items()}, metadata=about))


class _NeedsCode(Exception):
    """A pickle names something that is no part of an array."""


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in ARRAY_NAMES:
            raise _NeedsCode(f"{module}.{name}")
        return super().find_class(module, name)


def _read_arrays(path: Path) -> dict:
    if not path.is_file():
        raise UserError(f"no such checkpoint file: {path}")
    try:
        with open(path, "rb") as file:
            content = _ArraysOnly(file).load()
    except _NeedsCode as error:
        raise UserError(f"{path}: refused, loading it would run code from the file ({error})") from error
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: not a whole checkpoint ({type(error).__name__})") from error
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise UserError(f"{path}: no Detectron2 weights in it (no 'model')")
    return content
