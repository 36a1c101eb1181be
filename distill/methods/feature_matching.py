"""Feature matching: pooled features and one map of the student are the teacher's, each standardised."""

from torch import Tensor, nn

from distill.errors import UserError
from distill.losses import map_cosine_loss, regression_loss
from distill.methods.base import Method
from distill.modules.moments import Moments
from distill.registry import MODELS
from distill.settings import NotNegative
from distill.targets import Need


@MODELS.register_module()
class FeatureMatching(Method):
    """Both networks see one view. The student's pooled features, through a linear layer, meet the teacher's
    embedding in a squared error; each pixel of its map of stride 16, through another, points where the
    teacher's does. Both layers are dropped after training.

    The teacher's embedding is standardised in each dimension by mean and variance over all images so far, and
    its map has the mean of each channel taken off: without that, the few dimensions of large variance and
    what all pictures have in common would be most of the loss. (Heo et al., ICCV 2019, and Ranzinger et al.,
    CVPR 2024, standardise teachers' features for the same reason.)

    Args:
        teacher: with ``cache``, the map must be left out.
        map_weight: of the map's loss beside that of the features; 0: no map.

    Raises:
        UserError: a cached teacher with a map, or a network without maps.
    """

    needs = frozenset({Need.EMBEDDINGS})

    def __init__(self, student: dict, teacher: dict, map_weight: NotNegative = 1.0):
        if map_weight and teacher.get("cache"):
            raise UserError(
                "FeatureMatching needs maps of random views, which a cache has not: leave out "
                "--teacher-cache, or the map's loss (--cfg-options model.map_weight=0)"
            )
        super().__init__(student, teacher, needs=self.needs | ({Need.MAPS} if map_weight else set()))
        self.map_weight = map_weight
        self.head = nn.Linear(self.student.width, self.teacher.width)
        self.moments = Moments(self.teacher.width)
        if map_weight:
            width = self.teacher.backbone.inner_map_width
            self.map_head = nn.Conv2d(self.student.inner_map_width, width, 1)
            self.map_moments = Moments(width)

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        (view,) = views
        if not self.map_weight:
            return {"loss": self._feature_loss(self.student(view), self.teacher(view, rows))}
        embedding, target = self.teacher.with_map(view)
        features, inner = self.student.features_and_inner_map(view)
        loss = self._map_loss(inner, target)
        return {"loss_features": self._feature_loss(features, embedding), "loss_map": self.map_weight * loss}

    def _feature_loss(self, features: Tensor, embedding: Tensor) -> Tensor:
        self.moments.update(embedding)
        return regression_loss(self.head(features), self.moments.standardise(embedding.float()))

    def _map_loss(self, inner: Tensor, target: Tensor) -> Tensor:
        self.map_moments.update(target.permute(0, 2, 3, 1).flatten(0, 2))
        mean = self.map_moments.mean.to(target.dtype)
        return map_cosine_loss(self.map_head(inner), target - mean[:, None, None])
