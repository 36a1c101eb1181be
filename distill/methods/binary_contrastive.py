"""Binary contrastive distillation: a baseline of SEED's comparison."""

from torch import Tensor
from torch.nn import functional as F

from distill.losses import Normaliser, match_logits, noise_contrastive_loss
from distill.methods.base import Method
from distill.methods.fitting import at_most_images
from distill.modules.heads import mlp
from distill.modules.memory import Queue
from distill.registry import MODELS
from distill.settings import Count, Positive
from distill.targets import Need


@MODELS.register_module()
class BinaryContrastive(Method):
    """The student tells its image's teacher embedding from a queue of others, each judged by itself.

    OSS (appendix B.1) describes the baseline of SEED's paper as a combination of CRD and a contrastive loss,
    and no code of it is published. Chosen here: CRD's noise-contrastive loss and temperature, the student's
    side alone (the teacher is frozen, with its head), SEED's head and queue.

    Args:
        queue_length: 65,536 teacher embeddings, the negatives.
        temperature: 0.07.
    """

    needs = frozenset({Need.EMBEDDINGS})
    fitted = {"queue_length": at_most_images}

    def __init__(
        self, student: dict, teacher: dict, queue_length: Count = 65_536, temperature: Positive = 0.07
    ):
        super().__init__(student, teacher)
        self.temperature = temperature
        self.head = mlp(self.student.width, self.student.width, self.teacher.width)
        self.queue = Queue(queue_length, self.teacher.width)
        self.partition = Normaliser()  # named as in the training states of earlier versions

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        (view,) = views
        target = F.normalize(self.teacher(view, rows), dim=1)
        embedding = F.normalize(self.head(self.student(view)), dim=1)
        # cloned: the queue is overwritten before the backward pass
        logits = match_logits(embedding, target, self.queue.anchors.clone(), self.temperature)
        loss = noise_contrastive_loss(logits, self.partition(logits))
        self.queue.enqueue(target)
        return {"loss": loss}
