"""Regression of the teacher's embeddings: Reg and Reg-BN of CompRess, l2 distance of SEED."""

from torch import Tensor

from distill.errors import unknown
from distill.losses import regression_loss
from distill.losses.regression import NORMALISATIONS
from distill.methods.base import Method
from distill.modules.heads import mlp
from distill.registry import MODELS
from distill.targets import Need


@MODELS.register_module()
class Regression(Method):
    """The student's embedding follows the teacher's by a squared error.

    Args:
        normalisation: of both embeddings before the squared error. ``none``: Reg; ``batch_norm``: Reg-BN
            (CompRess section 4.2); ``l2``: SEED's l2 distance, whose embeddings are unit vectors throughout.
        hidden: the head has a hidden layer as wide as the features, like SEED's; else it is linear.
    """

    needs = frozenset({Need.EMBEDDINGS})

    def __init__(self, student: dict, teacher: dict, normalisation: str = "none", hidden: bool = False):
        super().__init__(student, teacher)
        if normalisation not in NORMALISATIONS:
            raise unknown("model.normalisation", normalisation, NORMALISATIONS)
        self.normalisation = normalisation
        width = self.student.width
        self.head = mlp(width, *([width] if hidden else []), self.teacher.width)

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        (view,) = views
        embedding = self.head(self.student(view))
        return {"loss": regression_loss(embedding, self.teacher(view, rows), self.normalisation)}
