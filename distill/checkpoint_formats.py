"""The published checkpoint layouts, each recognised by its keys and brought to one form."""

import re

from distill.checkpoint import FORMAT, IMAGENET_MEAN, IMAGENET_STD, SWAV_STD, State, Weights
from distill.errors import UserError

# blocks a stage, and whether blocks are bottlenecks -> name
RESNETS = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}


def recognise(content: dict, arch: str | None, path: str, sha256: str) -> Weights:
    """The weights in a checkpoint's content; ``arch`` settles what the file leaves open.

    Raises:
        UserError: a layout that is not known, an architecture that cannot be told, or the wrong one.
    """
    if content.get("format") == FORMAT:
        return _own(content, arch, path, sha256)
    state = content.get("state_dict", content.get("model", content))
    if not isinstance(state, dict) or not any(hasattr(value, "shape") for value in state.values()):
        raise UserError(
            f"{path}: no state dict in it (top-level keys: {', '.join(map(str, list(content)[:6]))})"
        )
    state = {key: value for key, value in state.items() if hasattr(value, "shape")}
    if "message_hub" in content or any(key.startswith("student.net.") for key in state):
        raise UserError(f"{path}: this is a training state; use the last.pth that the run wrote beside it")
    named = content.get("arch") if isinstance(content.get("arch"), str) else None
    for layout in (_moco, _swav, _resnet, _timm):
        found = layout(state, arch or named)
        if found is not None:
            break
    else:
        raise UserError(
            f"{path}: layout not recognised and no architecture given; give one (--arch resnet18)"
        )
    return Weights(path=path, sha256=sha256, **found)


def _own(content: dict, arch: str | None, path: str, sha256: str) -> Weights:
    if arch not in (None, content["arch"]):
        raise UserError(f"{path}: holds a {content['arch']}, not a {arch}")
    return Weights(
        arch=content["arch"], backbone=content["backbone"], head=content["head"],
        mean=tuple(content["mean"]), std=tuple(content["std"]), source=FORMAT, path=path, sha256=sha256,
        image_size=content["image_size"], meta=content["meta"], prototypes=content.get("prototypes"),
    )  # fmt: skip


def _moco(state: State, arch: str | None) -> dict | None:
    """MoCo-v1/v2: ``module.encoder_q.*`` with the head in ``fc`` (``fc.0``, ``fc.2`` in v2)."""
    prefix = "module.encoder_q."
    inner = _under(state, prefix)
    if not inner:
        return None
    head = _under(inner, "fc.")
    if "weight" in head:  # v1: one linear layer
        head = {f"0.{key}": value for key, value in head.items()}
    backbone = {key: value for key, value in inner.items() if not key.startswith("fc.")}
    return _found(backbone, arch, "moco-v2", head=head or None, dropped=_groups(state, prefix))


def _swav(state: State, arch: str | None) -> dict | None:
    """SwAV: ``module.*`` (or bare) with ``projection_head.*`` and ``prototypes.*``."""
    inner = _without_module(state)
    head = _under(inner, "projection_head.")
    if not head:
        return None
    if "weight" in head:
        head = {f"0.{key}": value for key, value in head.items()}
    backbone = {k: v for k, v in inner.items() if not k.startswith(("projection_head", "prototypes"))}
    found = _found(backbone, arch, "swav", head=head, std=SWAV_STD)
    # several sets of prototypes (``prototypes.prototypes0.weight``) have no use here
    several = any(key.startswith("prototypes.prototypes") for key in inner)
    return {**found, "prototypes": inner.get("prototypes.weight"), "dropped": ("prototypes",) * several}


def _resnet(state: State, arch: str | None) -> dict | None:
    """torchvision's ResNets, whose keys timm's plain ResNets share."""
    inner = _without_module(state)
    if "conv1.weight" not in inner or "layer4.0.conv1.weight" not in inner:
        return None
    if arch is not None and resnet_name(inner) != arch:
        return None  # a timm relative (resnet18d, seresnet...): its name decides
    backbone = {key: value for key, value in inner.items() if not key.startswith("fc.")}
    dropped = ("fc",) if len(backbone) < len(inner) else ()
    return _found(backbone, arch, "torchvision", dropped=dropped)


def _timm(state: State, arch: str | None) -> dict | None:
    """Any timm model, once its name is known: its classifier is left out."""
    from distill.backbones import create_backbone, default_mean_std

    if arch is None:
        return None
    inner = _without_module(state)
    wanted = create_backbone(arch)
    classifier = (getattr(wanted, "pretrained_cfg", None) or {}).get("classifier") or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    backbone = {k: v for k, v in inner.items() if not k.startswith(tuple(f"{name}." for name in names))}
    mean, std = default_mean_std(arch)
    dropped = names if len(backbone) < len(inner) else ()
    return dict(arch=arch, backbone=backbone, head=None, mean=mean, std=std, source="timm", dropped=dropped)


def resnet_name(state: State) -> str | None:
    """``resnet18`` ... ``resnet152`` or ``resnet50x4``, told by the number and shape of the blocks."""
    blocks = tuple(
        len({match.group(1) for key in state if (match := re.match(rf"layer{stage}\.(\d+)\.", key))})
        for stage in (1, 2, 3, 4)
    )
    name = RESNETS.get((blocks, "layer1.0.conv3.weight" in state))
    stem = state.get("conv1.weight")
    if stem is None or tuple(stem.shape[2:]) != (7, 7):
        return None
    return {64: name, 256: "resnet50x4" if name == "resnet50" else None}.get(stem.shape[0])


def _found(
    backbone: State, arch: str | None, source: str, head: State | None = None, std=IMAGENET_STD, dropped=()
) -> dict:
    told = resnet_name(backbone)
    if told is None and arch is None:
        raise UserError(f"{source} checkpoint of an unknown architecture; give one (--arch NAME)")
    if told is not None and arch is not None and told != arch:
        raise UserError(f"{source} checkpoint holds a {told}, not a {arch}")
    mean = IMAGENET_MEAN
    if told == "resnet50x4":  # SimCLR's: images in [0, 1], not normalised
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return dict(
        arch=told or arch,
        backbone=backbone,
        head=head,
        mean=mean,
        std=std,
        source=source,
        dropped=tuple(dropped),
    )


def _under(state: State, prefix: str) -> State:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _without_module(state: State) -> State:
    return {key.removeprefix("module."): value for key, value in state.items()}


def _groups(state: State, used: str) -> tuple[str, ...]:
    """Names of the top-level parts outside ``used``."""
    others = (key.removeprefix("module.").split(".")[0] for key in state if not key.startswith(used))
    return tuple(sorted(set(others)))
