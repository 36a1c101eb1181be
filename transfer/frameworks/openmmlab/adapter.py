"""The backbone for OpenMMLab's frameworks, which share one interface."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from transfer.network.dilation import set_output_stride
from transfer.network.partition import StagedBackbone
from transfer.network.policy import Policy, first_stages
from transfer.network.prepare import prepare


class DistilledBackbone(StagedBackbone):
    """Normalised images (B, 3, H, W) -> a tuple with the map of each of ``out_stages``.

    Weights load here, strictly, and not through ``init_cfg``: OpenMMLab's loader only warns when nothing
    matches. An FPN's ``in_channels`` are ``[backbone.channels[s] for s in out_stages]``.

    Args:
        arch: timm name, ``alexnet_compress`` or ``resnet50x4``.
        weights: checkpoint of any format that ``distill.checkpoints.read_weights`` takes; None: random.
        out_stages: of res2 to res5, strides 4 to 32.
        frozen_stages: -1 freezes nothing, 0 the stem, 1 also res2, ... as in ``mmdet.models.ResNet``.
        norm_eval: batch norms keep their running statistics in training.
        norm: ``SyncBN``, ``BN``, ``FrozenBN`` or None (as timm makes them).
        output_stride: no map is coarser than this, by dilation: 8 is MMSegmentation's ``d8``; 32 changes
            nothing.

    Raises:
        UserError: unknown or uncuttable architecture, weights that do not match exactly, a wrong setting.
    """

    def __init__(
        self,
        arch: str,
        weights: str | None = None,
        out_stages: Sequence[str] = ("res2", "res3", "res4", "res5"),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm: str | None = "SyncBN",
        output_stride: int = 32,
    ):
        super().__init__(arch, out_stages)
        prepare(self, weights, Policy(first_stages(frozen_stages + 1), norm, norm_eval))
        if output_stride != 32:
            set_output_stride(self, output_stride)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = super().forward(x)
        return tuple(maps[stage] for stage in self.out_stages)
