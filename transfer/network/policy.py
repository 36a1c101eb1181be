"""How a backbone is fine-tuned: what is frozen, which norm it has, what its pixels must look like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from distill.errors import UserError, unknown
from transfer.network.partition import STAGES, StageChain

NORMS = ("BN", "SyncBN", "FrozenBN")
ORDERS = ("RGB", "BGR")


@dataclass(frozen=True)
class Policy:
    """Settings of a backbone in a framework; by default everything trains, as after self-supervision.

    Attributes:
        frozen: stages whose weights and norm statistics stay as they are.
        norm: ``BN`` or None leave the network's norms as timm makes them, ``SyncBN`` gathers batch-norm
            statistics over GPUs, ``FrozenBN`` fixes statistics and affine weights of all batch norms.
        norm_eval: batch norms use their running statistics in training, their affine weights still learn.
        mean, std: of RGB images in [0, 1], as the weights were trained.
        order: channel order in which the framework gives the pixels to the network.
    """

    frozen: tuple[str, ...] = ()
    norm: str | None = None
    norm_eval: bool = False
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    order: str = "RGB"

    def __post_init__(self):
        for stage in self.frozen:
            if stage not in STAGES:
                raise unknown("stage to freeze", stage, STAGES)
        if self.norm is not None and self.norm not in NORMS:
            raise unknown("norm", self.norm, NORMS)
        if self.order not in ORDERS:
            raise unknown("channel order", self.order, ORDERS)

    def pixel_mean(self) -> list[float]:
        """Mean for pixels in 0-255, in the channel order of ``order``."""
        return _pixels(self.mean, self.order)

    def pixel_std(self) -> list[float]:
        """Standard deviation for pixels in 0-255, in the channel order of ``order``."""
        return _pixels(self.std, self.order)

    def apply(self, backbone: StageChain) -> None:
        """Freezes stages and sets the norms of ``backbone`` in place; keys of its state dict stay.

        Raises:
            UserError: a stage to freeze that this backbone does not have.
        """
        for stage in self.frozen:
            if stage not in backbone.plan:
                raise UserError(f"cannot freeze {stage}: the backbone has {', '.join(backbone.plan)}")
        if self.norm == "SyncBN":
            _to_sync(backbone)
        for stage in self.frozen:
            for part in backbone.parts(stage):
                part.requires_grad_(False)
        if self.norm == "FrozenBN":
            for module in batch_norms(backbone):
                module.requires_grad_(False)
        backbone.frozen = self.frozen
        backbone.norm_eval = self.norm_eval or self.norm == "FrozenBN"
        backbone.train(backbone.training)


def first_stages(count: int) -> tuple[str, ...]:
    """The first ``count`` stages: Detectron2's ``FREEZE_AT``, OpenMMLab's ``frozen_stages`` + 1.

    >>> first_stages(2)
    ('stem', 'res2')
    """
    if not 0 <= count <= len(STAGES):
        raise UserError(f"cannot freeze {count} stages; valid: 0 (none) to {len(STAGES)} (stem to res5)")
    return STAGES[:count]


def batch_norms(module: nn.Module) -> Iterable[nn.Module]:
    """All batch norms in ``module``, synchronised or not."""
    return (part for part in module.modules() if isinstance(part, _BatchNorm))


def _to_sync(backbone: nn.Module) -> None:
    from timm.layers import convert_sync_batchnorm  # knows timm's batch norms that hold an activation

    for name, child in list(backbone.named_children()):
        setattr(backbone, name, convert_sync_batchnorm(child))


def _pixels(values: tuple[float, ...], order: str) -> list[float]:
    scaled = [round(255 * value, 6) for value in values]
    return scaled if order == "RGB" else scaled[::-1]
