"""A teacher that learns together with the student."""

from distill.backbones import Backbone
from distill.checkpoints import read_weights
from distill.targets.base import Need, Target


class TeacherInTraining(Backbone, Target):
    """A ``Backbone`` that the method trains; the method makes the targets from its features."""

    gives = frozenset({Need.TRAINING})
    trains = True
    report = None

    @classmethod
    def create(cls, arch: str, weights: str | None = None, **settings) -> "TeacherInTraining":
        """Starts from a checkpoint's backbone, or from random weights with more arguments of ``Backbone``."""
        return cls(arch, **settings) if weights is None else cls.from_weights(read_weights(weights, arch))

    def describe(self) -> list[str]:
        loaded = [] if self.report is None else self.report.lines()
        return [*loaded, f"  teacher {self.arch}, trained together with the student"]
