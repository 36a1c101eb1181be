"""The settings of a config that say where a method's targets come from."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass

from distill.targets.base import Need, Target
from distill.targets.cached import CachedTeacher
from distill.targets.teacher import Teacher


@dataclass(frozen=True)
class Source:
    """A kind of teacher as settings name it.

    Attributes:
        key: its key in the config's ``model``.
        required: the setting in ``model.<key>`` that a person must give.
        wanted: what an error calls that setting.
        flag: how the command line gives it.
        settings: all that ``model.<key>`` takes; None: any.
        cacheable: whether its embeddings may come from a cache.
    """

    key: str
    required: str
    wanted: str
    flag: str
    settings: frozenset[str] | None
    cacheable: bool


FROZEN = Source(
    key="teacher",
    required="weights",
    wanted="a teacher",
    flag="--teacher NAME_OR_FILE",
    settings=frozenset({*inspect.signature(Teacher).parameters, "cache"}),
    cacheable=True,
)
TRAINED = Source(
    key="online_teacher",
    required="arch",
    wanted="the name of a teacher to train",
    flag="--teacher NAME",
    settings=None,  # each architecture has its own
    cacheable=False,
)


def source_of(needs: Collection[Need]) -> Source | None:
    """The kind of teacher that a method with these needs takes; None: no teacher."""
    if not needs:
        return None
    return TRAINED if Need.TRAINING in needs else FROZEN


def frozen_target(cache: str | None = None, **teacher) -> Target:
    """The frozen network of ``model.teacher``, or its embeddings from a cache made with that very network."""
    network = Teacher(**teacher)
    return network if cache is None else CachedTeacher(cache, network)
