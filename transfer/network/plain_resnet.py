"""The sizes of a plain ResNet, from which a framework builds its own, unchanged ResNet class."""

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


@dataclass(frozen=True)
class ResNetLayout:
    """A plain ResNet's sizes, read from its tensors.

    ``width`` is the number of channels in a group of res2's 3x3 convolutions, ``res2`` its output channels.
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
        UserError: another kind of network, which the frameworks' own ResNets cannot hold.
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
