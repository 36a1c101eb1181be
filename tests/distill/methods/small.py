"""Every method of ``configs/_base_`` at a size for tests: 24 images of 32 px, batch 5, seconds on one core.

Tests that hold for all methods are parametrised over ``SMALL``: an entry here is tested for training,
resuming bit for bit, two processes, and conversion of what it exports.
"""

from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from distill.engine.recipe import recipe

STUDENT = "mobilenetv3_small_050"


@dataclass(frozen=True)
class Small:
    """How a method is tried.

    Attributes:
        method: file name in ``configs/_base_``.
        teacher: ``moco`` or ``swav`` (a ResNet-18 in that layout), ``cached`` (the first one's embeddings),
            the name of an architecture to train, or None.
        options: changes to the config.
    """

    method: str
    teacher: str | None = "moco"
    options: dict = field(default_factory=dict)


SMALL = {
    "compress_1q": Small("compress_1q"),
    "compress_2q": Small("compress_2q"),
    "compress_2q_no_key": Small("compress_2q", options={"model.key_encoder": False}),
    "seed": Small("seed", options={"model.teacher_temperature": 0.01}),
    "simclr": Small("simclr", teacher=None),
}


@dataclass(frozen=True)
class Inputs:
    """Files that methods start from."""

    images: Path
    moco: Path
    swav: Path
    cache: Path


def arguments(name: str, inputs: Inputs) -> dict:
    """What ``pretrain`` or ``tools/distill.py`` is called with, but for the changes to the config."""
    small = SMALL[name]
    teacher = {"moco": inputs.moco, "cached": inputs.moco, "swav": inputs.swav}.get(
        small.teacher, small.teacher
    )
    return {
        "method": small.method,
        "data": str(inputs.images),
        "student": STUDENT,
        "teacher": None if teacher is None else str(teacher),
        "teacher_cache": str(inputs.cache) if small.teacher == "cached" else None,
        "epochs": 2,
        "batch_size": 5,
        "image_size": 32,
        "workers": 0,
    }


def small_config(name: str, inputs: Inputs) -> Config:
    """The resolved config of a run of that size."""
    config, _ = recipe(**arguments(name, inputs))
    config.merge_from_dict(SMALL[name].options)
    return config
