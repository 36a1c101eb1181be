"""What every method shares: a student, perhaps a teacher, and one loss."""

from mmengine.model import BaseModel
from torch import Tensor, nn

from distill.backbones import Backbone, Teacher
from distill.data.cache import CachedTeacher


class Method(BaseModel):
    """A student in training. Subclasses write ``loss(views, index)``.

    The teacher is kept outside the module tree: it follows the device but never enters a checkpoint,
    the optimiser, DistributedDataParallel or train mode.

    Args:
        student: arguments of ``Backbone``, at least ``arch``.
        teacher: arguments of ``Teacher`` (``weights``, ``arch``, ``output``), with ``cache`` for
            embeddings computed beforehand; None for methods without one.
    """

    def __init__(self, student: dict, teacher: dict | None = None):
        super().__init__()
        self.student = Backbone(**student)
        object.__setattr__(self, "teacher", None if teacher is None else build_teacher(**teacher))

    def _apply(self, fn, *args, **kwargs):
        super()._apply(fn, *args, **kwargs)
        if self.teacher is not None:
            self.teacher._apply(fn, *args, **kwargs)
        return self

    def loss(self, views: list[Tensor], index: Tensor) -> dict[str, Tensor]:
        """Views, each (B, 3, H, W) in [0, 1], and sample numbers (B,) -> terms to log.

        Terms with "loss" in their name are summed and minimised.
        """
        raise NotImplementedError

    def forward(self, views: list[Tensor], index: Tensor, unreadable: tuple = (), mode: str = "tensor"):
        views = [view.float() / 255 for view in views]
        return self.loss(views, index) if mode == "loss" else self.student(views[0])

    def exports(self) -> dict[str, tuple[Backbone, nn.Module | None]]:
        """File stem -> (network, its projection head or None), written for later use by the run."""
        return {"last": (self.student, None)}


def build_teacher(cache: str | None = None, **teacher) -> Teacher | CachedTeacher:
    """The frozen network, or its embeddings from a cache that was made with that very network."""
    network = Teacher(**teacher)
    return network if cache is None else CachedTeacher(cache, network)
