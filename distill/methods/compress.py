"""CompRess (Abbasi Koohpayegani, Tejankar, Pirsiavash, NeurIPS 2020)."""

from torch import Tensor, nn
from torch.nn import functional as F

from distill.errors import UserError
from distill.losses import compress_loss
from distill.methods.base import Method
from distill.methods.fitting import at_most_images
from distill.modules.ema import MovingAverage
from distill.modules.memory import Queue
from distill.registry import MODELS
from distill.settings import Count, Positive, Share
from distill.targets import Need


@MODELS.register_module()
class CompRess(Method):
    """The student's distances to a queue of anchors follow the teacher's.

    Args:
        queues: 2: the student has its own queue of the same samples ("Ours-2q"); 1: it is mapped
            linearly to the teacher's width and compared with the teacher's queue ("Ours-1q").
        queue_length: anchors, 128,000 in the paper.
        temperature: 0.04 for MoCo and SimCLR teachers, 0.007 for SwAV's.
        key_encoder: 2q only: the student's anchors come from a moving average of the student; False: from
            the student itself.
        momentum: of the key encoder; 0 to 0.7 work about as well (section 4.5).
        projection: 2q only: width of a linear layer behind student and key encoder. The released code has one
            for a ResNet-50, of 8192 (train_student.py); None: the embeddings are the features.
    """

    needs = frozenset({Need.EMBEDDINGS})
    fitted = {"queue_length": at_most_images}

    def __init__(
        self,
        student: dict,
        teacher: dict,
        queues: int = 1,
        queue_length: Count = 128_000,
        temperature: Positive = 0.04,
        key_encoder: bool = True,
        momentum: Share = 0.999,
        projection: Count | None = None,
    ):
        super().__init__(student, teacher)
        if queues not in (1, 2):
            raise UserError(f"model.queues is {queues}; valid: 1, 2")
        if queues == 1 and projection is not None:
            raise UserError("model.projection is for queues=2; with one queue the width is the teacher's")
        self.temperature = temperature
        self.teacher_queue = Queue(queue_length, self.teacher.width)
        self.student_queue = self.key_encoder = None
        width = self.student.width
        if queues == 1:
            self.head = nn.Linear(width, self.teacher.width)
        else:
            self.head = nn.Identity() if projection is None else nn.Linear(width, projection)
            self.student_queue = Queue(queue_length, projection or width)
            self.key_encoder = MovingAverage(self._encoder(), momentum) if key_encoder else None

    def _encoder(self) -> nn.Module:
        """What the key encoder averages; without a head the student alone, as in older training states."""
        return self.student if isinstance(self.head, nn.Identity) else nn.Sequential(self.student, self.head)

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        (view,) = views
        target = F.normalize(self.teacher(view, rows), dim=1)
        embedding = self.head(self.student(view))
        student_queue = self.student_queue or self.teacher_queue
        loss = compress_loss(
            embedding, target, student_queue.anchors, self.teacher_queue.anchors, self.temperature
        )
        if self.student_queue is not None:
            self.student_queue.enqueue(F.normalize(self._key(view, embedding), dim=1))
        self.teacher_queue.enqueue(target)
        return {"loss": loss}

    def _key(self, view: Tensor, embedding: Tensor) -> Tensor:
        """The student's embedding for its queue (B, D)."""
        if self.key_encoder is None:
            return embedding.detach()
        # before the key pass instead of after the optimiser's step: the sequence of values is the same
        if self.progress.updated:
            self.key_encoder.update(self._encoder())
        return self.key_encoder(view)
