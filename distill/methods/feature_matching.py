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
    """Both networks see one view. The student's pooled map, through a linear layer, meets the teacher's
    embedding in a squared error; each pixel of its map of stride 16, through another, points where the
    teacher's does. All such layers are dropped after training.

    Layers that a student has behind its pooling (``conv_head`` of a MobileNetV3) learn the same from the
    pooled map as it is: their gradient stops there. Where it went on, a MobileNetV3-Small learned much less
    (docs/comparison.md, "The default").

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
        self.head = nn.Linear(self.student.pooled_width, self.teacher.width)
        behind = self.student.has_layers_behind_pooling
        self.last_head = nn.Linear(self.student.width, self.teacher.width) if behind else None
        self.moments = Moments(self.teacher.width)
        if map_weight:
            width = self.teacher.backbone.inner_map_width
            self.map_head = nn.Conv2d(self.student.inner_map_width, width, 1)
            self.map_moments = Moments(width)

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        (view,) = views
        if not self.map_weight:
            return self._feature_losses(self.student.final(view), self.teacher(view, rows))
        embedding, target = self.teacher.with_map(view)
        final, inner = self.student.final_and_inner(view)
        loss = self._map_loss(inner, target)
        return self._feature_losses(final, embedding) | {"loss_map": self.map_weight * loss}

    def _feature_losses(self, final: Tensor, embedding: Tensor) -> dict[str, Tensor]:
        self.moments.update(embedding)
        target = self.moments.standardise(embedding.float())
        losses = {"loss_features": regression_loss(self.head(self.student.pooled(final)), target)}
        if self.last_head is not None:
            last = self.last_head(self.student.finish(final.detach()))
            losses["loss_last_layers"] = regression_loss(last, target)
        return losses

    def _map_loss(self, inner: Tensor, target: Tensor) -> Tensor:
        self.map_moments.update(target.permute(0, 2, 3, 1).flatten(0, 2))
        mean = self.map_moments.mean.to(target.dtype)
        return map_cosine_loss(self.map_head(inner), target - mean[:, None, None])
