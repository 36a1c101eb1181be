"""Plain ResNets under the names of the frameworks' own ResNets, and the settings that rebuild them there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from distill.checkpoints.formats import RESNETS
from distill.errors import UserError

PLAIN_KEY = re.compile(
    r"((conv1|bn1)|layer[1-4]\.\d+\.(conv[123]|bn[123]|downsample\.[01]))"
    r"\.(weight|bias|running_mean|running_var|num_batches_tracked)"
)

# Detectron2 keeps a convolution's norm inside it, and calls a ResNet's stages res2 to res5.
DETECTRON2_NAMES = (
    (r"^conv1\.", "stem.conv1."),
    (r"^bn1\.", "stem.conv1.norm."),
    (r"^layer(\d)\.", lambda match: f"res{int(match[1]) + 1}."),
    (r"\.downsample\.0\.", ".shortcut."),
    (r"\.downsample\.1\.", ".shortcut.norm."),
    (r"\.bn(\d)\.", r".conv\1.norm."),
)


@dataclass(frozen=True)
class ResNetLayout:
    """A plain ResNet's sizes, read from its tensors.

    ``width`` is the number of channels a group in res2's 3x3 convolutions, ``res2`` its output channels.
    """

    depth: int
    groups: int
    width: int
    stem: int
    res2: int

    @property
    def bottleneck(self) -> bool:
        return self.depth >= 50


def resnet_layout(state: dict[str, Tensor], arch: str) -> ResNetLayout:
    """The layout of a ResNet with a 7x7 stem, or of its grouped and wide relatives.

    Raises:
        UserError: another kind of network: the frameworks' own ResNets cannot hold it.
    """
    strange = next((key for key in state if not PLAIN_KEY.fullmatch(key)), None)
    if strange or state["conv1.weight"].shape[-1] != 7:
        part = strange or "a stem that is not 7x7"
        raise UserError(f"{arch} is not a plain ResNet (it has {part}); convert it without --native")
    blocks = tuple(
        len({key.split(".")[1] for key in state if key.startswith(f"{stage}.")})
        for stage in ("layer1", "layer2", "layer3", "layer4")
    )
    name = RESNETS.get((blocks, "layer1.0.conv3.weight" in state))
    if name is None:
        raise UserError(f"{arch}: no framework has a ResNet of {blocks} blocks; convert without --native")
    depth = int(name.removeprefix("resnet"))
    middle = state["layer1.0.conv2.weight"]
    groups = state["layer1.0.conv1.weight"].shape[0] // middle.shape[1]
    last = state["layer1.0.conv3.weight"] if depth >= 50 else middle
    return ResNetLayout(depth, groups, middle.shape[1], state["conv1.weight"].shape[0], last.shape[0])


def detectron2_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ResNet's tensors under the names of Detectron2's own ResNet (``res2.0.conv1.norm.weight``)."""
    renamed = {}
    for key, value in state.items():
        for pattern, name in DETECTRON2_NAMES:
            key = re.sub(pattern, name, key)
        renamed[key] = value
    return renamed


def detectron2_resnet(layout: ResNetLayout, out_stages: tuple[str, ...], norm: str) -> dict:
    """``MODEL.RESNETS`` for Detectron2's own ResNet."""
    return {
        "DEPTH": layout.depth,
        "NUM_GROUPS": layout.groups,
        "WIDTH_PER_GROUP": layout.width,
        "STEM_OUT_CHANNELS": layout.stem,
        "RES2_OUT_CHANNELS": layout.res2,
        "STRIDE_IN_1X1": False,  # the stride is in the 3x3 convolution, as in torchvision
        "NORM": norm,
        "OUT_FEATURES": list(out_stages),
    }


def openmmlab_resnet(layout: ResNetLayout, arch: str) -> dict:
    """Type and sizes for OpenMMLab's own ``ResNet`` or ``ResNeXt`` (not ``ResNetV1c``: its stem is deep).

    Raises:
        UserError: a wide ResNet, which they cannot build.
    """
    if layout.groups > 1:
        return {"type": "ResNeXt", "depth": layout.depth, "groups": layout.groups, "base_width": layout.width}
    if layout.width * (4 if layout.bottleneck else 1) != layout.res2:
        raise UserError(f"{arch}: OpenMMLab has no ResNet with wide bottlenecks; convert it without --native")
    return {
        "type": "ResNet", "depth": layout.depth, "stem_channels": layout.stem, "base_channels": layout.width
    }  # fmt: skip


def torchvision_name(arch: str) -> str:
    """The torchvision model with the same keys: plain ResNets have one name in timm and torchvision.

    Raises:
        UserError: any other network.
    """
    from torchvision.models import list_models

    valid = [name for name in list_models() if re.fullmatch(r"(wide_)?resne(x)?t\d+(_\w+)?", name)]
    if arch not in valid:
        raise UserError(f"torchvision has no network with the keys of {arch}; valid: {', '.join(valid)}")
    return arch
