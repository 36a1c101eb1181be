"""Checkpoint files of every known kind, recognised by their keys and brought to one form."""

import timm
import torch

from distill.backbones import create_backbone, default_mean_std, is_known
from distill.backbones.weights import State, Weights
from distill.checkpoints.layouts import (
    RESNETS,
    found,
    resnet_name,
    self_supervised,
    simclr,
    swav,
    without_module,
)
from distill.checkpoints.students import FORMAT, VERSION
from distill.errors import UserError

__all__ = ["RESNETS", "recognise"]
# keys under which files keep the state dict; DINO's whole training state has its teacher's under `teacher`
PLACES = ("state_dict", "model", "teacher")


def recognise(content: dict, arch: str | None, path: str, sha256: str, key: str | None = None) -> Weights:
    """The weights in a checkpoint's content; ``arch`` settles what the file leaves open.

    Args:
        key: of the state dict to take; None: that under the first of ``PLACES``, else the content itself.

    Raises:
        UserError: a layout that is not known, an architecture that cannot be told, or the wrong one.
    """
    if key is not None:
        _check_key(content, key, path)
    elif content.get("format") == FORMAT:
        return _own(content, arch, path, sha256)
    place = key or next((place for place in PLACES if place in content), None)
    state = _tensors(content if place is None else content[place])
    if not state:
        raise UserError(
            f"{path}: no state dict in it (top-level keys: {', '.join(map(str, list(content)[:6]))})"
        )
    if "message_hub" in content or any(key.startswith("student.net.") for key in state):
        raise UserError(f"{path}: this is a training state; use the last.pth that the run wrote beside it")
    named = content.get("arch")
    if not isinstance(named, str) or not timm.is_model(named):  # MoCo-v3's `vit_base` is no timm name
        named = None
    try:
        parts = _parts(state, arch or named)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    others = tuple(key for key, value in content.items() if key != place and place and _tensors(value))
    how = "as asked" if key else "one of several state dicts in the file (FILE::KEY takes another)"
    notes = [f"`{place}` taken, {how}"] if others else []
    # the other layouts are published as plain ResNets and ViTs
    if named is None and parts["source"] in ("torchvision", "timm"):
        notes.append(f"architecture {'as given' if arch else 'told by its keys'}: the file does not name it")
    parts |= {"dropped": (*others, *parts["dropped"]), "note": "; ".join(notes)}
    return Weights(path=path, sha256=sha256, **parts)


def _check_key(content: dict, key: str, path: str) -> None:
    """Raises UserError unless there is a state dict under ``key``."""
    valid = [name for name, value in content.items() if _tensors(value)]
    if content.get("format") == FORMAT or key not in valid:
        shown = ", ".join(valid) if valid and content.get("format") != FORMAT else "the file without ::KEY"
        raise UserError(f"{path}: no state dict {key!r} in the file; valid: {shown}")


def _tensors(state: object) -> State:
    """The tensors of a state dict by name; empty for anything else."""
    pairs = state.items() if isinstance(state, dict) else ()
    return {key: value for key, value in pairs if isinstance(key, str) and torch.is_tensor(value)}


def _parts(state: State, arch: str | None) -> dict:
    for layout in (self_supervised, swav, simclr, _resnet, _timm):
        parts = layout(state, arch)
        if parts is not None:
            return parts
    raise UserError("layout not recognised and no architecture given; give one (--arch resnet18)")


FIELDS = {  # of this project's own files
    "arch": str, "backbone": dict, "head": dict | None, "mean": list, "std": list, "image_size": int | None,
    "meta": dict,
}  # fmt: skip


def _own(content: dict, arch: str | None, path: str, sha256: str) -> Weights:
    version = content.get("version")
    if type(version) is not int or version > VERSION:
        raise UserError(f"{path}: of format version {version!r}; this version reads up to {VERSION}")
    for name, kind in FIELDS.items():
        value = content.get(name)
        if name not in content or not isinstance(value, kind):
            found = f"is a {type(value).__name__}" if name in content else "is missing"
            raise UserError(f"{path}: not a whole student, its field {name!r} {found}")
        if name in ("backbone", "head") and not all(map(torch.is_tensor, (value or {}).values())):
            raise UserError(f"{path}: not a whole student, its field {name!r} holds more than tensors")
    if not is_known(content["arch"]):
        raise UserError(f"{path}: holds a {content['arch']!r}, which timm {timm.__version__} has not")
    if arch not in (None, content["arch"]):
        raise UserError(f"{path}: holds a {content['arch']}, not a {arch}")
    return Weights(
        arch=content["arch"], backbone=content["backbone"], head=content["head"],
        mean=tuple(content["mean"]), std=tuple(content["std"]), source=FORMAT, path=path, sha256=sha256,
        image_size=content["image_size"], meta=content["meta"], prototypes=content.get("prototypes"),
        pixels_from="the file",
    )  # fmt: skip


def _resnet(state: State, arch: str | None) -> dict | None:
    """torchvision's ResNets, whose keys timm's plain ResNets share."""
    inner = without_module(state)
    if "conv1.weight" not in inner or "layer4.0.conv1.weight" not in inner:
        return None
    if arch is not None and resnet_name(inner) != arch:
        return None  # a timm relative (resnet18d, seresnet...): its name decides
    backbone = {key: value for key, value in inner.items() if not key.startswith("fc.")}
    dropped = ("fc",) if len(backbone) < len(inner) else ()
    return found(backbone, arch, "torchvision", dropped=dropped)


def _timm(state: State, arch: str | None) -> dict | None:
    """Any timm model, once its name is known: its classifier is left out."""
    if arch is None:
        return None
    inner = without_module(state)
    wanted = create_backbone(arch)
    classifier = (getattr(wanted, "pretrained_cfg", None) or {}).get("classifier") or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    prefixes = {f"{name}.": name for name in names}
    if "mask_token" not in wanted.state_dict():
        prefixes["mask_token"] = "mask_token"  # in DINOv2's files; only its training used it
    backbone = {key: value for key, value in inner.items() if not key.startswith(tuple(prefixes))}
    dropped = tuple(n for p, n in prefixes.items() if any(key.startswith(p) for key in inner))
    mean, std = default_mean_std(arch)
    return dict(arch=arch, backbone=backbone, head=None, mean=mean, std=std, source="timm", dropped=dropped)
