"""The backbone in Detectron2: C4, FPN, and a C4 box head made of the backbone's own res5.

In a lazy config: ``L(DistilledBackbone)(arch=..., weights=..., out_stages=["res4"])`` is the backbone of a
C4 detector or the ``bottom_up`` of ``L(FPN)``, and ``L(own_res5)(...)`` the ``res5`` of ``Res5ROIHeads``.

In a YAML config: ``add_distilled_config(cfg)`` before ``cfg.merge_from_file``; then ``MODEL.BACKBONE.NAME``
is ``build_distilled_backbone`` (C4) or ``build_distilled_fpn_backbone``, and for C4 ``MODEL.ROI_HEADS.NAME``
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
    """Normalised images (B, 3, H, W) -> {stage: map}: ``StagedBackbone`` with Detectron2's interface.

    Args:
        arch: any name that ``distill.backbones.create_backbone`` takes.
        weights: checkpoint file, loaded strictly when the model is built; "" leaves it random.
        out_stages: the maps wanted, of res2 to res5; later stages are left out.
        frozen: how many stages stay as they are: 0 none, 1 the stem, 2 also res2 (``FREEZE_AT``).
        norm: ``BN``, ``SyncBN``, ``FrozenBN``, or "" (as timm makes them).
        norm_eval: batch norms use their running statistics in training.

    Raises:
        UserError: a wrong setting, weights that do not match exactly, or several maps of a network whose maps
            do not double in size from one stage to the next: an FPN could not add them.
    """

    def __init__(
        self,
        arch: str,
        weights: str = "",
        out_stages: Iterable[str] = ("res4",),
        frozen: int = 0,
        norm: str = "SyncBN",
        norm_eval: bool = False,
    ):
        super().__init__(arch, out_stages)
        if len(self.out_stages) > 1 and not self.exact:
            raise UserError(f"{arch}: an FPN cannot add its maps ({self.why_not_exact}); use C4")
        # A C4 backbone has no res5 to freeze; its box head has it.
        stages = tuple(stage for stage in first_stages(frozen) if stage in self.plan)
        prepare(self, weights or None, Policy(stages, norm or None, norm_eval))

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {
            name: ShapeSpec(channels=self.channels[name], stride=self.strides[name])
            for name in self.out_stages
        }


def own_res5(
    arch: str,
    out_channels: int,
    weights: str = "",
    frozen: int = 0,
    norm: str = "SyncBN",
    norm_eval: bool = False,
) -> nn.Sequential:
    """The network's own res5 and a norm after it, as the ``res5`` of C4 heads.

    Regions of the res4 map (R, C4, H, W) -> (R, C5, H/2, W/2).

    Detectron2's own box head is made of bottleneck blocks, which a ResNet-18 does not have. The norm after
    res5 is MoCo's setting for fine-tuning a self-supervised C4 with batch norm. ``norm=""`` leaves it out.

    Args:
        out_channels: C5, as the config has it for the predictors.
        arch, weights, frozen, norm, norm_eval: as in ``DistilledBackbone``.

    Raises:
        UserError: ``out_channels`` is not the width of the network's res5.
    """
    backbone = DistilledBackbone(arch, weights, ("res5",), frozen, norm, norm_eval)
    channels = backbone.channels["res5"]
    if out_channels != channels:
        raise UserError(f"roi_heads.res5.out_channels is {out_channels}, but res5 of {arch} has {channels}")
    return _with_norm(backbone, norm)


def add_distilled_config(cfg: CfgNode) -> None:
    """Adds ``MODEL.DISTILLED`` to a YAML config: what the backbone is and where its weights are.

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
    return DistilledBackbone(out_stages=cfg.MODEL.DISTILLED.OUT_STAGES, **_settings(cfg))


@BACKBONE_REGISTRY.register()
def build_distilled_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """An FPN over ``MODEL.FPN.IN_FEATURES`` of the backbone."""
    return FPN(
        bottom_up=DistilledBackbone(out_stages=cfg.MODEL.FPN.IN_FEATURES, **_settings(cfg)),
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


@ROI_HEADS_REGISTRY.register()
class DistilledRes5ROIHeads(Res5ROIHeads):
    """C4 heads whose box head is ``own_res5``, for YAML configs: Detectron2 builds bottlenecks there."""

    @classmethod
    def _build_res5_block(cls, cfg: CfgNode) -> tuple[nn.Sequential, int]:
        backbone = DistilledBackbone(out_stages=["res5"], **_settings(cfg))
        return _with_norm(backbone, cfg.MODEL.DISTILLED.NORM), backbone.channels["res5"]


def _with_norm(backbone: DistilledBackbone, norm: str) -> nn.Sequential:
    parts = (backbone.stage("res5"), get_norm(norm, backbone.channels["res5"]))
    return nn.Sequential(*(part for part in parts if part is not None))


def _settings(cfg: CfgNode) -> dict:
    own = cfg.MODEL.DISTILLED
    return {
        "arch": own.ARCH, "weights": own.WEIGHTS, "frozen": cfg.MODEL.BACKBONE.FREEZE_AT,
        "norm": own.NORM, "norm_eval": own.NORM_EVAL,
    }  # fmt: skip
