"""SimCLR (Chen et al., ICML 2020)."""

import torch
from torch import Tensor

from distill.losses import nt_xent_loss
from distill.methods.base import Method, TrainedNetwork
from distill.modules.heads import mlp
from distill.registry import MODELS
from distill.settings import Count, Positive


@MODELS.register_module()
class SimCLR(Method):
    """Two views of an image attract each other, all other views repel. Needs no teacher.

    Args:
        projection: output width of the head, whose hidden layer is as wide as the features.
        temperature: 0.1.
        head_norm: batch norms after both layers of the head, as in the authors' code; the paper's head
            (section 2.1) has none.
    """

    number_of_views = 2

    def __init__(
        self, student: dict, projection: Count = 128, temperature: Positive = 0.1, head_norm: bool = False
    ):
        super().__init__(student)
        self.temperature, width = temperature, self.student.width
        self.head = mlp(width, width, projection, norm=head_norm, last_norm=head_norm)

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        # both views in one batch: they share batch-norm statistics, as in the authors' code
        first, second = self.head(self.student(torch.cat(views))).chunk(2)
        return {"loss": nt_xent_loss(first, second, self.temperature)}

    def exports(self) -> dict[str, TrainedNetwork]:
        return {"last": TrainedNetwork(self.student, self.head)}  # SEED can use the head of such a teacher
