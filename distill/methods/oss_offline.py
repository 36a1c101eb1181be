"""OSS offline: the student learns the cluster assignments of a finished SwAV teacher."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.losses import swapped_prediction_loss
from distill.losses.precision import at_least_float32
from distill.methods.base import Method, TrainedNetwork
from distill.methods.fitting import at_most_images
from distill.methods.oss import two_rates
from distill.modules.heads import mlp
from distill.modules.multi_crop import multi_crop_embeddings
from distill.modules.prototypes import Codes, cosines
from distill.registry import MODELS
from distill.settings import Count, NotNegative, Number, Positive, Share
from distill.targets import Need


@MODELS.register_module()
class OSSOffline(Method):
    """OSS's student with a frozen teacher: backbone, head and prototypes of a checkpoint (appendix A.8).

    Only the student's cluster loss remains, with dropout in the student's head alone; the appendix mentions
    no classifier, so there is none.

    Args:
        teacher: ``weights`` with a projection head and prototypes: SwAV's, or what ``SwAV`` and ``OSS``
            write; ``output="head"``.
        dropout, own_copy, hidden, temperature, epsilon, iterations, queue_length, queue_start_epoch: as in
            ``OSS``.
    """

    number_of_views = None
    needs = frozenset({Need.VIEWS, Need.HEAD, Need.PROTOTYPES})
    fitted = {"queue_length": at_most_images}

    def __init__(
        self,
        student: dict,
        teacher: dict,
        dropout: tuple[Share, Share] | None = (0.1, 0.05),
        own_copy: bool = False,
        hidden: Count = 2048,
        temperature: Positive = 0.1,
        epsilon: Positive = 0.05,
        iterations: Count = 3,
        queue_length: Number = 3840,
        queue_start_epoch: NotNegative = 15,
    ):
        super().__init__(student, teacher)
        self.dropout, self.own_copy, self.temperature = two_rates(dropout), own_copy, temperature
        self.queue_start_epoch = queue_start_epoch
        self.head = mlp(self.student.width, hidden, self.teacher.width, norm=True)
        self.codes = Codes(queue_length, self.teacher.width, epsilon, iterations)

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        prototypes = F.normalize(self.teacher.prototypes, dim=1)
        # the teacher gives codes alone, so it sees no small views
        z = torch.stack([self.teacher(view) for view in views[: self.codes.crops]])
        z = F.normalize(at_least_float32(z), dim=-1)
        codes = self.codes(z, prototypes, self.progress.epoch >= self.queue_start_epoch)
        w = multi_crop_embeddings(self.student, self.head, views, self.dropout)  # (K, V, B, D)
        scores = cosines(w, prototypes)
        return {"loss": swapped_prediction_loss(scores, codes, self.temperature, self.own_copy)}

    def exports(self) -> dict[str, TrainedNetwork]:
        return {"last": TrainedNetwork(self.student, self.head, F.normalize(self.teacher.prototypes, dim=1))}
