"""MoCo v2 (He et al., CVPR 2020; Chen et al., 2020)."""

from torch import Tensor, nn
from torch.nn import functional as F

from distill.losses import info_nce_loss
from distill.methods.base import Method, TrainedNetwork
from distill.methods.fitting import at_most_images
from distill.modules.ema import MovingAverage
from distill.modules.heads import mlp
from distill.modules.memory import Queue
from distill.modules.shuffle_bn import shuffled
from distill.registry import MODELS
from distill.settings import Count, Positive, Share


@MODELS.register_module()
class MoCo(Method):
    """The student tells a slower network's embedding of another view of its image from a queue of others.

    Needs no teacher.

    Args:
        projection: width of the embeddings, 128; the head's hidden layer is as wide as the features.
        queue_length: 65,536.
        temperature: 0.2.
        momentum: of the key encoder, 0.999.
        shuffle_groups: parts in which one process encodes its keys (see ``shuffled``): 8 of 32 images in
            a batch of 256, as on the authors' 8 GPUs. Several processes mix their keys instead.
    """

    number_of_views = 2
    takes_bytes = True  # processes exchange the key views
    fitted = {"queue_length": at_most_images}

    def __init__(
        self,
        student: dict,
        projection: Count = 128,
        queue_length: Count = 65_536,
        temperature: Positive = 0.2,
        momentum: Share = 0.999,
        shuffle_groups: Count = 8,
    ):
        super().__init__(student)
        self.temperature, self.shuffle_groups = temperature, shuffle_groups
        self.head = mlp(self.student.width, self.student.width, projection)
        self.key_encoder = MovingAverage(nn.Sequential(self.student, self.head), momentum)
        self.queue = Queue(queue_length, projection)

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        query_view, key_view = views
        if self.progress.updated:
            self.key_encoder.update(nn.Sequential(self.student, self.head))
        query = self.head(self.student(query_view))
        key = shuffled(self.key_encoder, key_view, self.progress.step, self.shuffle_groups)
        loss = info_nce_loss(query, key, self.queue.anchors, self.temperature)
        self.queue.enqueue(F.normalize(key, dim=1))
        return {"loss": loss}

    def exports(self) -> dict[str, TrainedNetwork]:
        return {"last": TrainedNetwork(self.student, self.head)}  # such a student can be a teacher later
