"""Probabilistic knowledge transfer (Passalis, Tefas, ECCV 2018)."""

from torch import Tensor

from distill.losses import probabilistic_transfer_loss
from distill.methods.base import Method
from distill.registry import MODELS
from distill.targets import Need


@MODELS.register_module()
class ProbabilisticTransfer(Method):
    """Each image has the same neighbours within the batch for student and teacher; no head.

    It is CompRess without softmax, temperature and queue (its section 4.3). The larger the batch of all
    processes, the more neighbours.
    """

    needs = frozenset({Need.EMBEDDINGS})

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        (view,) = views
        return {"loss": probabilistic_transfer_loss(self.student(view), self.teacher(view, rows))}
