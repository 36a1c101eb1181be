"""Cluster classification (Noroozi et al., CVPR 2018; ClusterFit) as CompRess and SEED compare with it."""

from torch import Tensor, nn
from torch.nn import functional as F

from distill.methods.base import Method
from distill.methods.fitting import ENOUGH_IN_A_CLUSTER
from distill.modules.heads import mlp
from distill.registry import MODELS
from distill.settings import Count, Number
from distill.targets import Need
from distill.targets.clusters import cluster_labels


@MODELS.register_module()
class ClusterClassification(Method):
    """The student predicts the k-means cluster of the teacher's embedding of the image.

    Needs the teacher's embeddings of all images (``tools/cache_teacher.py``).

    Args:
        clusters: 16,000.
        projection: output width of a head like SEED's before the classifier; None: a linear classifier on
            the features, as in CompRess.
        iterations: of k-means, 20 in CompRess's released ``kmeans.py``.
        seed: of k-means.
    """

    needs = frozenset({Need.ALL_IMAGES})
    fitted = {"clusters": ENOUGH_IN_A_CLUSTER}

    def __init__(
        self,
        student: dict,
        teacher: dict,
        clusters: Count = 16_000,
        projection: Count | None = None,
        iterations: Count = 20,
        seed: Number = 0,
    ):
        super().__init__(student, teacher)
        width = self.student.width
        self.head = nn.Identity() if projection is None else mlp(width, width, projection)
        self.classifier = nn.Linear(projection or width, clusters)
        # a buffer, so that a resumed run keeps its labels even if the file was made again
        self.register_buffer("labels", cluster_labels(self.teacher, clusters, iterations, seed))

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        (view,) = views
        logits = self.classifier(self.head(self.student(view)))
        return {"loss": F.cross_entropy(logits, self.labels[index])}
