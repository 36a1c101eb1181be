"""What a written config describes: a backbone whose converted weights are in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from distill.backbones.weights import Weights
from transfer.network.partition import STAGES, StagedBackbone
from transfer.network.plain_resnet import ResNetLayout
from transfer.network.policy import Policy


@dataclass(frozen=True)
class ConvertedBackbone:
    """A backbone, the file with its weights, and how it is to be fine-tuned.

    Attributes:
        backbone: the stages that the config uses; only its sizes matter here.
        file: where the weights will be.
        weights: what they were made from.
        layout: the sizes of the framework's own ResNet; None: this package's adapter builds the network.
        image_size: side in pixels of the only images that what is written takes; None: any.
    """

    backbone: StagedBackbone
    policy: Policy
    file: Path
    weights: Weights
    layout: ResNetLayout | None = None
    image_size: int | None = None

    @property
    def arch(self) -> str:
        return self.backbone.arch

    @property
    def source(self) -> str:
        """What a config's comment says of the weights' origin."""
        return self.weights.path

    @property
    def stages(self) -> tuple[str, ...]:
        return self.backbone.out_stages

    @property
    def frozen(self) -> int:
        """How many stages are frozen, counted from the stem."""
        assert self.policy.frozen == STAGES[: len(self.policy.frozen)], "frameworks freeze from the stem on"
        return len(self.policy.frozen)
