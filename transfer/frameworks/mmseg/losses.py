"""A loss for data that is mostly background."""

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from transfer.datasets.segmentation import IGNORE


@MODELS.register_module()
class BalancedCrossEntropy(nn.Module):
    """Cross-entropy in which class 0 counts less; MMSegmentation's own weights fail on ignored pixels."""

    loss_name = "loss_ce"

    def __init__(self, background_weight: float, loss_weight: float):
        super().__init__()
        self.background_weight, self.loss_weight = background_weight, loss_weight

    def forward(self, logits: Tensor, labels: Tensor, weight=None, ignore_index: int = IGNORE) -> Tensor:
        """(B, C, H, W) logits and (B, H, W) labels -> scalar; ``weight`` (of pixel samplers) is not used."""
        weights = logits.new_ones(logits.shape[1])
        weights[0] = self.background_weight
        return self.loss_weight * cross_entropy(logits, labels, weights, ignore_index=ignore_index)
