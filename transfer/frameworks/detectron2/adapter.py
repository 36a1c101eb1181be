"""Registers the backbone in Detectron2: C4, FPN, and a C4 box head made of the backbone's own res5.

``add_distilled_config(cfg)`` before ``cfg.merge_from_file``; then ``MODEL.BACKBONE.NAME`` is
``build_distilled_backbone`` (C4) or ``build_distilled_fpn_backbone``, and for C4 ``MODEL.ROI_HEADS.NAME``
is ``DistilledRes5ROIHeads``.
"""

from __future__ import annotations

from collections.abc import Iterable

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec, get_norm
from detectron2.modeling import BACKBONE_REGISTRY, ROI_HEADS_REGISTRY, Backbone
from detectron2.modeling.backbone.fpn import FPN, LastLevelMaxPool
from detectron2.modeling.roi_heads import Res5ROIHeads
from torch import nn

from distill.errors import UserError
from transfer.network.partition import StagedBackbone
from transfer.network.policy import Policy, first_stages
from transfer.network.prepare import prepare


class DistilledBackbone(StagedBackbone, Backbone):
    """Normalised images (B, 3, H, W) -> {stage: map}: ``StagedBackbone`` with Detectron2's contract."""

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {
            name: ShapeSpec(channels=self.channels[name], stride=self.strides[name])
            for name in self.out_stages
        }


def add_distilled_config(cfg: CfgNode) -> None:
    """Adds ``MODEL.DISTILLED`` to a Detectron2 config: what the backbone is and where its weights are.

    ``WEIGHTS`` is loaded strictly when the model is built ("" leaves it random). Keep ``MODEL.WEIGHTS`` for
    whole detectors: Detectron2 only warns when nothing in it matches. Stages are frozen by Detectron2's
    own ``MODEL.BACKBONE.FREEZE_AT`` (0 nothing, 1 stem, 2 also res2, ...), which is 2 by default.
    """
    cfg.MODEL.DISTILLED = CfgNode()
    cfg.MODEL.DISTILLED.ARCH = "resnet18"
    cfg.MODEL.DISTILLED.WEIGHTS = ""
    cfg.MODEL.DISTILLED.OUT_STAGES = ["res4"]  # of the C4 backbone; an FPN takes MODEL.FPN.IN_FEATURES
    cfg.MODEL.DISTILLED.NORM = "SyncBN"  # BN, SyncBN, FrozenBN or "" (as timm makes them)
    cfg.MODEL.DISTILLED.NORM_EVAL = False


@BACKBONE_REGISTRY.register()
def build_distilled_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> DistilledBackbone:
    """The backbone up to the last of ``MODEL.DISTILLED.OUT_STAGES``: for C4, up to res4."""
    return _build(cfg, cfg.MODEL.DISTILLED.OUT_STAGES)


@BACKBONE_REGISTRY.register()
def build_distilled_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """An FPN over ``MODEL.FPN.IN_FEATURES`` of the backbone.

    Raises:
        UserError: maps that do not double in size from one stage to the next, which an FPN adds.
    """
    bottom_up = _build(cfg, cfg.MODEL.FPN.IN_FEATURES)
    if not bottom_up.exact:
        raise UserError(f"{bottom_up.arch}: its maps lose a border, which an FPN cannot add; use C4")
    return FPN(
        bottom_up=bottom_up,
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


@ROI_HEADS_REGISTRY.register()
class DistilledRes5ROIHeads(Res5ROIHeads):
    """C4 heads whose box head is the checkpoint's own res5, whatever its blocks are, and a norm after it.

    Detectron2's ``Res5ROIHeads`` always builds bottleneck blocks, which a ResNet-18 does not have. The norm
    after res5 is MoCo's setting for fine-tuning a self-supervised C4 with batch norm.
    """

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Sequential, int]:
        backbone = _build(cfg, ["res5"])
        channels = backbone.channels["res5"]
        norm = get_norm(cfg.MODEL.DISTILLED.NORM, channels)
        parts = [backbone.stage("res5"), norm]
        return nn.Sequential(*(part for part in parts if part is not None)), channels


def _build(cfg: CfgNode, out_stages: Iterable[str]) -> DistilledBackbone:
    settings = cfg.MODEL.DISTILLED
    backbone = DistilledBackbone(settings.ARCH, tuple(out_stages))
    # A C4 backbone has no res5 to freeze: its box head has.
    frozen = tuple(stage for stage in first_stages(cfg.MODEL.BACKBONE.FREEZE_AT) if stage in backbone.plan)
    prepare(backbone, settings.WEIGHTS or None, Policy(frozen, settings.NORM or None, settings.NORM_EVAL))
    return backbone
