"""What all methods share: a student, perhaps a teacher, and one loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset

from distill.backbones import Backbone, check_image_size
from distill.data.device_views import ViewPreprocessor
from distill.errors import UserError
from distill.methods.fitting import Rule
from distill.targets import Need, Target, frozen_target


@dataclass(frozen=True)
class Progress:
    """How far the run is; ``ProgressHook`` sets it before every step, so a resumed run has it too.

    Attributes:
        step: steps done.
        steps: of the whole run.
        epochs: of the whole run.
        updated: whether the step before ended in an update; False while gradients are being accumulated.
        seed: of the run, for draws that all processes share; each seeds its global generator differently.
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
    """A trained network as the run writes it; head and prototypes serve runs that take it as their teacher.

    Attributes:
        backbone: the network.
        head: its projection head, a plain ``Sequential`` of linear layers, batch norms and ReLUs.
        prototypes: (P, D) cluster centres of its embeddings.
    """

    backbone: Backbone
    head: nn.Sequential | None = None
    prototypes: Tensor | None = None


class Method(BaseModel):
    """A student in training. Subclasses say what they need and write ``loss``.

    A frozen teacher is kept outside the module tree: it follows the device but never enters a checkpoint,
    the optimiser, DistributedDataParallel or train mode.

    Args:
        student: arguments of ``Backbone``, at least ``arch``.
        teacher: arguments of ``Teacher`` (``weights``, ``arch``, ``output``), with ``cache`` for
            embeddings computed beforehand; None for methods without a frozen one.
        needs: replace the class's, where they depend on the settings.

    Attributes:
        needs: what its targets must give; an empty set: it takes no teacher.
        number_of_views: views of an image that ``loss`` takes; None: any number from two on.
        takes_bytes: views reach ``loss`` as uint8, which networks take as well; else as floats.
        fitted: settings that follow the size of the data set, with the rule for each (see
            ``distill.methods.fitting``).
        teacher: where its targets come from, or None.
        progress: how far the run is, for what changes during it.
        supervised: whether it learns from labels.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    number_of_views: int | None = 1
    takes_bytes = False
    fitted: ClassVar[dict[str, Rule]] = {}
    supervised = False

    def __init__(self, student: dict, teacher: dict | None = None, needs: frozenset[Need] | None = None):
        super().__init__(data_preprocessor=ViewPreprocessor())
        self.student = Backbone(**student)
        self.progress = Progress()
        if needs is not None:
            self.needs = needs
        object.__setattr__(self, "teacher", None)
        if teacher is not None:
            self.learn_from(frozen_target(**teacher))

    def learn_from(self, target: Target) -> None:
        """Makes ``target`` the teacher; a method that trains it keeps it as a submodule too.

        Raises:
            UserError: it does not give what the method needs.
        """
        target.check_needs(self.needs, type(self).__name__)
        object.__setattr__(self, "teacher", target)  # outside the module tree

    def _apply(self, fn, *args, **kwargs):
        super()._apply(fn, *args, **kwargs)
        if self.teacher is not None and not self.teacher.trains:
            self.teacher._apply(fn, *args, **kwargs)
        return self

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Terms to log; those with "loss" in their name are summed and minimised.

        Args:
            views: each (B, 3, H, W) in [0, 1], or uint8 if the method ``takes_bytes``.
            index: sample numbers (B,).
            rows: the samples' rows of the teacher's cache (B, width), for ``self.teacher(view, rows)``;
                given only where there is a cache and EMBEDDINGS are needed.
        """
        raise NotImplementedError

    def forward(
        self,
        views: list[Tensor],
        index: Tensor,
        unreadable: tuple = (),
        rows: Tensor | None = None,
        mode: str = "tensor",
    ):
        """Views (B, 3, H, W) uint8 -> the terms of ``loss`` if ``mode`` is so, else the first's features."""
        if not self.takes_bytes:
            views = [view.float() / 255 for view in views]
        if mode != "loss":
            return self.student(views[0])
        return self.loss(views, index) if rows is None else self.loss(views, index, rows)

    @classmethod
    def fit_to_data(cls, settings: dict, images: int) -> tuple[dict, list[str]]:
        """Settings that change for ``images`` images, and a line for each that has a published value."""
        changed, notes = {}, []
        for key, rule in cls.fitted.items():
            if key not in settings:
                continue
            value, reason = rule(settings[key], images)
            if value != settings[key]:
                changed[key] = value
                notes += [f"{key} {settings[key]} -> {value}: {reason}"] if reason else []
        return changed, notes

    def check_data(self, images: Dataset) -> None:
        """Refuses training data that the method cannot be used with.

        Raises:
            UserError: too few or too many views, views of a size that the student does not take, or images
                other than the teacher cache's.
        """
        given, wanted = len(images.augmentation.sizes), self.number_of_views
        if given < 2 if wanted is None else given != wanted:
            raise UserError(
                f"{type(self).__name__} takes {wanted or 'two or more'} views of an image, "
                f"train_dataloader.dataset.augmentation gives {given}"
            )
        for size in images.augmentation.sizes:
            check_image_size(self.student, size, size)
        if self.teacher is not None:
            self.teacher.check_data(images)

    def rows(self) -> Sequence | None:
        """What the data workers are to read for each image, by sample number: see ``loss``."""
        return self.teacher.rows if Need.EMBEDDINGS in self.needs else None

    def exports(self) -> dict[str, TrainedNetwork]:
        """File stem -> what the run writes for later use."""
        return {"last": TrainedNetwork(self.student)}
