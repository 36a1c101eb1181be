"""SwAV (Caron et al., NeurIPS 2020)."""

from torch import Tensor
from torch.nn import functional as F

from distill.losses import swapped_prediction_loss
from distill.methods.base import Method, TrainedNetwork
from distill.methods.fitting import at_most_images
from distill.modules.heads import mlp
from distill.modules.multi_crop import multi_crop_embeddings
from distill.modules.prototypes import Codes, Prototypes
from distill.registry import MODELS
from distill.settings import Count, NotNegative, Number, Positive


@MODELS.register_module()
class SwAV(Method):
    """Each view predicts the cluster assignments of the first two views. Needs no teacher.

    Args:
        hidden: width of the head's hidden layer, 2048.
        projection: width of the embeddings, 128.
        prototypes: 3000.
        temperature: 0.1.
        epsilon: of Sinkhorn, 0.05.
        iterations: of Sinkhorn, 3.
        queue_length: embeddings of earlier batches that codes are computed with, 3840 for a batch of 256;
            0 for none.
        queue_start_epoch: the epoch at which the queue begins to fill, however long the run; codes are
            computed with it once it is full.
        prototypes_frozen_until_epoch: the epoch from which prototypes are trained, however long the run; one
            epoch of ImageNet is 5005 steps of 256.
    """

    number_of_views = None
    fitted = {"queue_length": at_most_images}

    def __init__(
        self,
        student: dict,
        hidden: Count = 2048,
        projection: Count = 128,
        prototypes: Count = 3000,
        temperature: Positive = 0.1,
        epsilon: Positive = 0.05,
        iterations: Count = 3,
        queue_length: Number = 3840,
        queue_start_epoch: NotNegative = 15,
        prototypes_frozen_until_epoch: NotNegative = 1,
    ):
        super().__init__(student)
        self.temperature, self.queue_start_epoch = temperature, queue_start_epoch
        self.prototypes_frozen_until_epoch = prototypes_frozen_until_epoch
        self.head = mlp(self.student.width, hidden, projection, norm=True)
        self.prototypes = Prototypes(prototypes, projection)
        self.codes = Codes(queue_length, projection, epsilon, iterations)

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        self.prototypes.normalise()
        z = multi_crop_embeddings(self.student, self.head, views)  # (1, V, B, D)
        use_queue = self.progress.epoch >= self.queue_start_epoch
        codes = self.codes(z[0, : self.codes.crops], self.prototypes.weight, use_queue)
        scores = self.prototypes(z, frozen=self.progress.epoch < self.prototypes_frozen_until_epoch)
        return {"loss": swapped_prediction_loss(scores, codes, self.temperature)}

    def exports(self) -> dict[str, TrainedNetwork]:
        # head and prototypes: such a student can teach OSS's offline variant
        prototypes = F.normalize(self.prototypes.weight.detach(), dim=1)
        return {"last": TrainedNetwork(self.student, self.head, prototypes)}
