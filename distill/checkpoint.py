"""Checkpoints: read safely, recognised by their keys, loaded whole or not at all."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from distill.atomic import atomic_path
from distill.errors import UserError

State = dict[str, Tensor]
FORMAT = "distill"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SWAV_STD = (0.228, 0.224, 0.225)  # what SwAV was trained with
FILE_SUFFIXES = (".pth", ".pt", ".tar", ".bin", ".safetensors", ".ckpt", ".pkl")


@dataclass(frozen=True)
class Weights:
    """A checkpoint brought to one form.

    ``backbone`` has the keys of ``create_backbone(arch)``; ``head`` (if any) those of a ``Sequential``;
    ``prototypes`` (if any) are (P, D) cluster centres of the head's embeddings.
    ``mean`` and ``std`` are RGB, for images in [0, 1]; ``dropped`` names what the file held besides.
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


def file_sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def state_sha256(state: State) -> str:
    """SHA-256 over names, types and values of a state dict: for weights that came without a file."""
    digest = hashlib.sha256()
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        digest.update(f"{key}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class _Ignored:
    """Stands for a setting or a NumPy number that lies in a file beside the weights: holds nothing."""

    def __init__(self, *args):
        pass

    def __setstate__(self, state):
        pass


# what published training states (DINO's) hold besides tensors; the code of these names is never reached
IGNORED = tuple(
    (_Ignored, name)
    for name in (
        "argparse.Namespace", "pathlib.PosixPath", "pathlib._local.PosixPath", "numpy.dtype",
        "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    )
)  # fmt: skip


def read_file(path: str | os.PathLike) -> dict:
    """Reads a checkpoint without running any code from it (``weights_only``).

    Raises:
        UserError: no such file, not a whole checkpoint, or one that needs code to load.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no such checkpoint file: {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals(list(IGNORED)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"(?:GLOBAL|global)\s+([\w.]+)", str(error))
        needs = f" ({found.group(1)})" if found else ""
        raise UserError(
            f"{path}: refused, it is not a file of plain tensors: loading it would run code from it{needs}; "
            "save its state dict alone and use that"
        ) from error
    except OSError:
        raise
    except Exception as error:  # torch, zip and safetensors each have their own error for a torn file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{path}: not a whole checkpoint ({reason[:120]})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, not a dict of tensors")
    return content


def read_weights(source: str | os.PathLike, arch: str | None = None) -> Weights:
    """Reads a checkpoint file of any known format, or timm's own weights by model name.

    Known by their keys: this project's, MoCo-v2 and v3, SwAV, BYOL, Barlow Twins, DINO, SimCLR's
    ResNet-50x4, torchvision ResNets (Barlow Twins' and DINO's ResNet-50 alone have their keys), timm.

    Args:
        source: a file, or a timm model name (``resnet50`` or ``timm:resnet50``) for timm's weights.
        arch: architecture, where the file does not tell; must agree where it does.
    """
    from distill.checkpoint_formats import recognise

    name = str(source)
    if not Path(name).is_file() and not (os.sep in name or name.endswith(FILE_SUFFIXES)):
        return _timm_weights(name.removeprefix("timm:"), arch)
    path = Path(name)
    return recognise(read_file(path), arch, path=str(path), sha256=file_sha256(path))


def _timm_weights(name: str, arch: str | None) -> Weights:
    from distill.backbones import create_backbone, default_mean_std

    if arch not in (None, name):
        raise UserError(f"arch is {arch!r} but the weights named are those of {name!r}")
    state = create_backbone(name, pretrained=True).state_dict()
    mean, std = default_mean_std(name)
    return Weights(name, state, None, mean, std, "timm", f"timm:{name}", state_sha256(state))


def random_weights(arch: str, seed: int) -> Weights:
    """Freshly initialised weights of an architecture, the same for the same seed."""
    from distill.backbones import create_backbone, default_mean_std

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = create_backbone(arch).state_dict()
    mean, std = default_mean_std(arch)
    return Weights(arch, state, None, mean, std, "random", f"random:{arch}:{seed}", state_sha256(state))


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
        head: state dict of its projection head, if later users may want it (a teacher for SEED does).
        prototypes: (P, D) cluster centres of its embeddings, where the method learns them.
        meta: plain values about the run.
    """
    content = {
        "format": FORMAT,
        "version": 1,
        "arch": arch,
        "backbone": {key: value.detach().cpu().clone() for key, value in backbone.state_dict().items()},
        "head": None if head is None else {key: value.detach().cpu().clone() for key, value in head.items()},
        "prototypes": None if prototypes is None else prototypes.detach().cpu().clone(),
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "image_size": image_size,
        "meta": meta or {},
    }
    with atomic_path(path) as part:
        try:
            torch.save(content, part)
        except RuntimeError as error:  # torch reports a failed write without the OS's reason
            raise _write_error(error, path) from error


def _write_error(error: RuntimeError, path: str | os.PathLike) -> Exception:
    import errno
    import shutil

    if "write" not in str(error) and "PytorchStreamWriter" not in str(error):
        return error
    free = shutil.disk_usage(Path(path).parent).free
    return OSError(errno.ENOSPC, f"could not write the checkpoint ({free / 1e6:.1f} MB free)", str(path))
