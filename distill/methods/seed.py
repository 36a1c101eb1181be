"""SEED (Fang et al., ICLR 2021)."""

from torch import Tensor
from torch.nn import functional as F

from distill.heads import mlp
from distill.losses import seed_loss
from distill.memory import Queue
from distill.methods.base import Method
from distill.registry import MODELS


@MODELS.register_module()
class SEED(Method):
    """The student copies the teacher's soft assignment over a queue of the teacher's embeddings.

    Args:
        queue_length: 65,536.
        student_temperature: 0.2.
        teacher_temperature: 1e-4, as in the authors' released code; the text also quotes 0.01.
    """

    def __init__(
        self,
        student: dict,
        teacher: dict,
        queue_length: int = 65_536,
        student_temperature: float = 0.2,
        teacher_temperature: float = 1e-4,
    ):
        super().__init__(student, teacher)
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.head = mlp(self.student.width, self.student.width, self.teacher.width)
        self.queue = Queue(queue_length, self.teacher.width)

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        (view,) = views
        target = F.normalize(self.teacher(view, index), dim=1)
        embedding = self.head(self.student(view))
        loss = seed_loss(
            embedding, target, self.queue.anchors, self.student_temperature, self.teacher_temperature
        )
        self.queue.enqueue(target)
        return {"loss": loss}
