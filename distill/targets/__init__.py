"""Where a method's targets come from: a frozen network, or its embeddings computed beforehand."""

from distill.targets.cached import CachedTeacher, write_cache
from distill.targets.teacher import Teacher

__all__ = ["CachedTeacher", "Teacher", "write_cache"]
