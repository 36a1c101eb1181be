"""Where a method's targets come from: a frozen network, its cache, or a network in training."""

from distill.targets.base import Need, Target
from distill.targets.cached import CachedTeacher, write_cache
from distill.targets.online import TeacherInTraining
from distill.targets.sources import frozen_target, source_of
from distill.targets.teacher import Teacher

__all__ = [
    "CachedTeacher", "Need", "Target", "Teacher", "TeacherInTraining", "frozen_target", "source_of",
    "write_cache",
]  # fmt: skip
