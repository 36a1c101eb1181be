"""Detectron2's C4 box head with a norm after res5: MoCo's setting for fine-tuning with batch norm.

It needs Detectron2 alone. Import this file before the model is built; it registers the name that the config
beside it has in ``MODEL.ROI_HEADS.NAME``.
"""

from detectron2.layers import get_norm
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, Res5ROIHeads
from torch import nn


@ROI_HEADS_REGISTRY.register()
class Res5ROIHeadsWithNorm(Res5ROIHeads):
    """``Res5ROIHeads``, its res5 followed by a norm of ``MODEL.RESNETS.NORM``."""

    @classmethod
    def _build_res5_block(cls, cfg):
        res5, channels = super()._build_res5_block(cfg)
        return nn.Sequential(*res5, get_norm(cfg.MODEL.RESNETS.NORM, channels)), channels
