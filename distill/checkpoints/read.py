"""From a checkpoint file, a model name or a seed to ``Weights``."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from distill.backbones import create_backbone, default_mean_std
from distill.backbones.weights import Weights, state_sha256
from distill.checkpoints.files import file_sha256, read_file
from distill.checkpoints.formats import recognise
from distill.checkpoints.students import FORMAT
from distill.errors import UserError
from distill.results import label_of

# methods that learn without a teacher: for older files, whose ``meta`` names the method and no ``init``
WITHOUT_TEACHER = ("BYOL", "MoCo", "SimCLR", "SwAV")
FILE_SUFFIXES = (".pth", ".pt", ".tar", ".bin", ".safetensors", ".ckpt", ".pkl")


def read_weights(source: str | os.PathLike, arch: str | None = None) -> Weights:
    """Reads a checkpoint file of any known format, or timm's own weights by model name.

    Known by their keys: this project's, MoCo-v1 to v3, SwAV, BYOL, Barlow Twins, DINO, SimCLR's
    ResNet-50x4, torchvision ResNets (Barlow Twins' and DINO's ResNet-50 alone have their keys), timm.

    Args:
        source: a file, or a timm model name (``resnet50`` or ``timm:resnet50``) for timm's weights.
        arch: architecture, where the file does not tell; must agree where it does.

    Raises:
        UserError: no such file or name, a file that is torn or needs code to load, or an unknown layout.
    """
    name = str(source)
    if not Path(name).is_file() and not (os.sep in name or name.endswith(FILE_SUFFIXES)):
        return _timm_weights(name.removeprefix("timm:"), arch)
    path = Path(name)
    return recognise(read_file(path), arch, path=str(path), sha256=file_sha256(path))


def _timm_weights(name: str, arch: str | None) -> Weights:
    if arch not in (None, name):
        raise UserError(f"arch is {arch!r} but the weights named are those of {name!r}")
    state = create_backbone(name, pretrained=True).state_dict()
    mean, std = default_mean_std(name)
    return Weights(name, state, None, mean, std, "timm", f"timm:{name}", state_sha256(state))


def random_weights(arch: str, seed: int) -> Weights:
    """Freshly initialised weights of an architecture, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = create_backbone(arch).state_dict()
    mean, std = default_mean_std(arch)
    return Weights(arch, state, None, mean, std, "random", f"random:{arch}:{seed}", state_sha256(state))


def label_of_weights(weights: Weights) -> str:
    """What reports and figures call a network: its run's name, else the file's or the model's."""
    if weights.source == "random":
        return f"random {weights.arch}"
    path = Path(weights.path)
    if run := weights.meta.get("run"):
        return label_of(run, path)
    return path.name.split(".")[0] if path.is_file() else path.name.removeprefix("timm:")


def init_of(weights: Weights) -> str:
    """Where weights come from, in the word of result rows.

    ``random``; ``distilled``, ``self-supervised`` or ``supervised`` for a network that this project trained
    with a teacher, without one or on labels, as its file says; ``teacher`` for everything else.
    """
    if weights.source != FORMAT:
        return "random" if weights.source == "random" else "teacher"
    if "init" in weights.meta:
        return weights.meta["init"]
    # teacher.pth is what a run of OSS trained beside the student, without a teacher
    alone = weights.meta.get("method") in WITHOUT_TEACHER or Path(weights.path).name == "teacher.pth"
    return "self-supervised" if alone else "distilled"
