"""From a checkpoint file, a model name or a seed to ``Weights``."""

from __future__ import annotations

import os
from hashlib import sha256
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
        source: a file, ``FILE::KEY`` for one of several state dicts in it (``x.pth::model_ema``), or a timm
            model name (``resnet50`` or ``timm:resnet50``) for timm's weights.
        arch: architecture, where the file does not tell; must agree where it does.

    Raises:
        UserError: no such file or name, a file that is torn or needs code to load, or an unknown layout.
    """
    path, key = file_and_key(source)
    is_file = key is not None or path.is_file() or os.sep in str(source) or path.name.endswith(FILE_SUFFIXES)
    if not is_file:
        return _timm_weights(str(source).removeprefix("timm:"), arch)
    content, digest = read_file(path), file_sha256(path)
    if key is None:
        return recognise(content, arch, path=str(path), sha256=digest)
    own = sha256(f"{digest} {key}".encode()).hexdigest()  # two networks of one file are not the same one
    return recognise(content, arch, path=f"{path}::{key}", sha256=own, key=key)


def file_and_key(source: str | os.PathLike) -> tuple[Path, str | None]:
    """The file of ``FILE::KEY`` and the key; of anything else the path, and None."""
    file, mark, key = str(source).rpartition("::")
    return (Path(file), key) if mark and not Path(source).is_file() else (Path(source), None)


def _timm_weights(name: str, arch: str | None) -> Weights:
    if arch not in (None, name):
        raise UserError(f"arch is {arch!r} but the weights named are those of {name!r}")
    state = create_backbone(name, pretrained=True).state_dict()
    mean, std = default_mean_std(name)
    digest = state_sha256(state)
    return Weights(name, state, None, mean, std, "timm", f"timm:{name}", digest, pixels_from="timm")


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
    path, key = file_and_key(weights.path)
    if run := weights.meta.get("run"):
        return label_of(run, path)
    name = path.name.split(".")[0] if path.is_file() else path.name.removeprefix("timm:")
    return f"{name} {key}" if key else name


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
