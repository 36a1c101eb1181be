"""BYOL (Grill et al., NeurIPS 2020)."""

import math

from torch import Tensor, nn

from distill.losses import byol_loss
from distill.methods.base import Method, TrainedNetwork
from distill.modules.ema import MovingAverage
from distill.modules.heads import mlp
from distill.registry import MODELS
from distill.settings import Count, Share


@MODELS.register_module()
class BYOL(Method):
    """The student predicts what a slow copy of itself makes of another view. Needs no teacher.

    With accumulated gradients (``optim_wrapper.accumulative_counts``) the target network moves once an
    optimiser step, not once a batch (appendix G.2).

    Args:
        hidden: width of the hidden layers of projector and predictor, 4096.
        projection: width of the embeddings, 256.
        momentum: of the target network at the start, 0.996 for 1000 epochs; it grows to 1 by a cosine.
    """

    number_of_views = 2

    def __init__(self, student: dict, hidden: Count = 4096, projection: Count = 256, momentum: Share = 0.996):
        super().__init__(student)
        self.momentum = momentum
        self.projector = mlp(self.student.width, hidden, projection, norm=True)
        self.predictor = mlp(projection, hidden, projection, norm=True)
        self.target = MovingAverage(nn.Sequential(self.student, self.projector), momentum)

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        if self.progress.updated:
            self.target.update(nn.Sequential(self.student, self.projector), self._momentum())
        # one pass for each view: each has its own batch-norm statistics, as in the authors' code
        first, second = (self.predictor(self.projector(self.student(view))) for view in views)
        first_target, second_target = (self.target(view) for view in views)
        return {"loss": byol_loss(first, second_target) + byol_loss(second, first_target)}

    def _momentum(self) -> float:
        """``1 - (1 - momentum) (cos(pi k / K) + 1) / 2`` at step k of K."""
        return 1 - (1 - self.momentum) * (math.cos(math.pi * self.progress.fraction) + 1) / 2

    def exports(self) -> dict[str, TrainedNetwork]:
        return {"last": TrainedNetwork(self.student, self.projector)}  # such a student can be a teacher later
