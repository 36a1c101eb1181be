"""What every method shares: a student, perhaps a teacher, and one loss."""

from dataclasses import dataclass
from typing import NamedTuple

from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset

from distill.backbones import Backbone
from distill.errors import UserError
from distill.targets import Teacher
from distill.targets.cached import CachedTeacher


@dataclass(frozen=True)
class Progress:
    """How far the run is; set before every step by ``ProgressHook``, so a resumed run goes on from it.

    Attributes:
        step: steps done.
        steps: of the whole run.
        epochs: of the whole run.
        updated: False between the steps whose gradients are accumulated.
        seed: of the run, for draws that all processes share; the global generator is seeded apart in each.
    """

    step: int = 0
    steps: int = 1
    epochs: int = 1
    updated: bool = True
    seed: int = 0

    @property
    def fraction(self) -> float:
        """Part of the run that is done, 0 to 1."""
        return self.step / self.steps

    @property
    def epoch(self) -> float:
        """Epochs done, with a fraction."""
        return self.fraction * self.epochs


class TrainedNetwork(NamedTuple):
    """A trained network as the run writes it: what comes behind the backbone is for those who teach with it.

    Attributes:
        backbone: the network.
        head: its projection head, a plain ``Sequential`` of linear layers, batch norms and ReLUs.
        prototypes: (P, D) cluster centres of its embeddings.
    """

    backbone: Backbone
    head: nn.Sequential | None = None
    prototypes: Tensor | None = None


class Method(BaseModel):
    """A student in training. Subclasses write ``loss(views, index)``.

    The teacher is kept outside the module tree: it follows the device but never enters a checkpoint,
    the optimiser, DistributedDataParallel or train mode.

    Args:
        student: arguments of ``Backbone``, at least ``arch``.
        teacher: arguments of ``Teacher`` (``weights``, ``arch``, ``output``), with ``cache`` for
            embeddings computed beforehand; None for methods without one.

    Attributes:
        progress: where the run stands, for what changes on the way.
        number_of_views: views of an image that ``loss`` takes; None: any number from two on.
        supervised: whether it learns from labels.
    """

    number_of_views: int | None = 1
    supervised = False

    def __init__(self, student: dict, teacher: dict | None = None):
        super().__init__()
        self.student = Backbone(**student)
        self.progress = Progress()
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

    def check_data(self, images: Dataset) -> None:
        """Refuses training data that the method cannot be used with.

        Raises:
            UserError: too few or too many views, or images other than the teacher cache's.
        """
        given, wanted = len(images.augmentation.sizes), self.number_of_views
        if given < 2 if wanted is None else given != wanted:
            raise UserError(
                f"{type(self).__name__} takes {wanted or 'two or more'} views of an image, "
                f"train_dataloader.dataset.augmentation gives {given}"
            )
        if isinstance(self.teacher, CachedTeacher):
            self.teacher.check_data(images)

    def exports(self) -> dict[str, TrainedNetwork]:
        """File stem -> what the run writes for later use."""
        return {"last": TrainedNetwork(self.student)}


def build_teacher(cache: str | None = None, **teacher) -> Teacher | CachedTeacher:
    """The frozen network, or its embeddings from a cache that was made with that very network."""
    network = Teacher(**teacher)
    return network if cache is None else CachedTeacher(cache, network)
