"""SEED (Fang et al., ICLR 2021)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.losses import seed_loss
from distill.methods.base import Method
from distill.methods.fitting import at_most_images
from distill.modules.heads import mlp
from distill.modules.memory import Queue
from distill.registry import MODELS
from distill.settings import Count, Number, Positive
from distill.targets import Need


@MODELS.register_module()
class SEED(Method):
    """The student copies the teacher's soft assignment over a queue of the teacher's embeddings.

    Args:
        queue_length: 65,536.
        student_temperature: 0.2.
        teacher_temperature: 1e-4, as in the authors' released code; the text also quotes 0.01.
        small_patches: views after the first that show small parts of the image. Teacher and student see
            the same patch; patches have a queue of their own, which takes one of each image; their
            mean loss is added to the full views' (the authors' code).
    """

    needs = frozenset({Need.EMBEDDINGS})
    fitted = {"queue_length": at_most_images}

    def __init__(
        self,
        student: dict,
        teacher: dict,
        queue_length: Count = 65_536,
        student_temperature: Positive = 0.2,
        teacher_temperature: Positive = 1e-4,
        small_patches: Number = 0,
    ):
        # the teacher sees the patches too
        super().__init__(student, teacher, frozenset({Need.VIEWS}) if small_patches else None)
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.number_of_views = 1 + small_patches
        self.head = mlp(self.student.width, self.student.width, self.teacher.width)
        self.queue = Queue(queue_length, self.teacher.width)
        self.small_queue = Queue(queue_length, self.teacher.width) if small_patches else None

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        loss = self._distil(views[:1], rows, self.queue)
        if self.small_queue is not None:
            loss = loss + self._distil(views[1:], None, self.small_queue)
        return {"loss": loss}

    def _distil(self, views: list[Tensor], rows: Tensor | None, queue: Queue) -> Tensor:
        """The mean loss of views of one size over ``queue``, which then takes the first view's targets."""
        images = torch.cat(views)
        target = F.normalize(self.teacher(images, rows), dim=1)
        embedding = self.head(self.student(images))
        loss = seed_loss(
            embedding, target, queue.anchors, self.student_temperature, self.teacher_temperature
        )
        queue.enqueue(target[: len(views[0])])
        return loss
