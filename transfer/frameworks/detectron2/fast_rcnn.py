"""What comes after the res4 map of a network, as the box head of a Fast R-CNN."""

from __future__ import annotations

from detectron2.utils import comm
from torch import Tensor, nn

from distill.backbones import create_backbone
from distill.backbones.weights import load_strict
from distill.errors import UserError
from transfer.frameworks.detectron2.adapter import own_res5
from transfer.network.partition import StageChain, StagedBackbone
from transfer.network.weights import read_stage_weights

# Networks that end in fully connected layers, which take the place of res5: (their module, their width).
FULLY_CONNECTED = {"alexnet_compress": ("feats", 4096)}


def box_head_width(arch: str) -> int:
    """Channels that ``OwnBoxHead`` gives."""
    return FULLY_CONNECTED[arch][1] if arch in FULLY_CONNECTED else StagedBackbone(arch).channels["res5"]


class OwnBoxHead(nn.Module):
    """Regions of the res4 map (R, C4, S, S) -> (R, C).

    AlexNet: fc6 and fc7 (S must be 6), its last pooling being what pools the regions. Other networks: their
    res5 with a norm after it (``own_res5``), then the mean over the map.

    Args:
        out_channels: C, as the config has it for the predictor.
        arch, weights, frozen, norm, norm_eval: as in ``DistilledBackbone``; fully connected layers are
            never frozen.

    Raises:
        UserError: ``out_channels`` is not the network's, or weights that do not match exactly.
    """

    def __init__(
        self,
        arch: str,
        out_channels: int,
        weights: str = "",
        frozen: int = 0,
        norm: str = "SyncBN",
        norm_eval: bool = False,
    ):
        super().__init__()
        width = box_head_width(arch)
        if out_channels != width:
            raise UserError(f"box_head.out_channels is {out_channels}, but that of {arch} gives {width}")
        self.is_map = arch not in FULLY_CONNECTED
        self.layers = (
            own_res5(arch, out_channels, weights, frozen, norm, norm_eval)
            if self.is_map
            else _fully_connected(arch, weights)
        )

    def forward(self, regions: Tensor) -> Tensor:
        if self.is_map:
            return self.layers(regions).mean(dim=(2, 3))
        return self.layers(regions.flatten(1)).relu()


def _fully_connected(arch: str, weights: str) -> StageChain:
    name, _ = FULLY_CONNECTED[arch]
    chain = StageChain(create_backbone(arch), {"head": (name,)})
    if weights:
        whole = read_stage_weights(weights, arch).backbone
        state = {key: value for key, value in whole.items() if key.startswith(f"{name}.")}
        report = load_strict(chain, state, f"{arch} {name} <- {weights}")
        if comm.is_main_process():
            print("\n".join(report.lines()), flush=True)
    return chain
