"""Where a backbone starts from: a checkpoint, or random weights."""

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path

from distill.errors import UserError
from transfer.jobs.run_teacher import teacher_of

WORDS = ("distilled", "random", "supervised", "teacher")
NAMELESS = ("last", "best", "latest", "final", "model", "checkpoint", "backbone")


@dataclass(frozen=True)
class Initial:
    """Where a backbone starts from.

    Attributes:
        init: the word for it in result rows, that of ``distill.checkpoints.init_of``.
        label: name of the rows.
        weights: checkpoint file; "" for random weights. ``sha256`` is that file's.
        mean, std: RGB, for images in [0, 1].
        training_seed: of the run that made the weights, where its file tells.
    """

    init: str
    label: str
    arch: str
    weights: str
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    training_seed: int | None = None

    @property
    def folder_name(self) -> str:
        """``label`` as a folder may be called."""
        return re.sub(r"[^\w.-]+", "_", self.label)

    @property
    def mean_255(self) -> list[float]:
        """RGB mean for pixels in 0-255."""
        return [round(255 * value, 6) for value in self.mean]

    @property
    def std_255(self) -> list[float]:
        """RGB standard deviation for pixels in 0-255."""
        return [round(255 * value, 6) for value in self.std]


def read_initials(
    checkpoint: str, inits: list[str], labels: list[str] | None, arch: str | None
) -> list[Initial]:
    """One ``Initial`` for each word of ``--init``.

    Args:
        labels: names of the rows, one a start; None: by default.

    Raises:
        UserError: not one label a start, or two starts whose rows would have the same name.
    """
    if labels and len(labels) != len(inits):
        raise UserError(
            f"--label {' '.join(labels)}: give one name a start, {len(inits)} for --init {' '.join(inits)}"
        )
    found = [
        read_initial(checkpoint, init, label, arch)
        for init, label in zip(inits, labels or [None] * len(inits), strict=True)
    ]
    for number, (init, initial) in enumerate(zip(inits, found, strict=True)):
        for other, earlier in zip(inits, found[:number], strict=False):
            if initial.folder_name == earlier.folder_name:
                raise UserError(
                    f"--init {other} {init}: the rows of both would be called {initial.label}; "
                    "name them with --label NAME NAME"
                )
    return found


def read_initial(checkpoint: str, init: str, label: str | None = None, arch: str | None = None) -> Initial:
    """Reads what a word of ``--init`` says.

    Args:
        checkpoint: file, or the name of an architecture.
        init: ``distilled`` (the checkpoint itself), ``random`` (weights of its architecture), ``supervised``
            (timm's weights of its architecture), ``teacher`` (that of the checkpoint's run), one of the last
            two with ``=FILE``, or a checkpoint file.
        label: name of the rows; by default the checkpoint's.
        arch: architecture, where the file does not tell.

    Raises:
        UserError: weights that are not there, with what to give instead.
    """
    word, equals, file = init.partition("=")
    if equals and word in ("supervised", "teacher"):
        # supervised weights are of the checkpoint's architecture, the teacher's of its own
        return replace(_from_file(file, label, arch if word == "supervised" else None), init=word)
    if init == "random":
        return _random(checkpoint, label, arch)
    if init == "supervised":
        return _supervised(checkpoint, label, arch)
    if init == "teacher":
        return _teacher(checkpoint, label)
    if init == "distilled":
        return _from_file(checkpoint, label, arch)
    try:
        return _from_file(init, label, arch)
    except UserError as error:
        raise UserError(f"--init {init}: {error}; starts by name: {', '.join(WORDS)}") from error


def _random(checkpoint: str, label: str | None, arch: str | None) -> Initial:
    from distill.backbones import create_backbone, default_mean_std

    if _is_name(checkpoint):
        create_backbone(checkpoint)  # an unknown name must fail here, with the valid ones
        arch, (mean, std) = checkpoint, default_mean_std(checkpoint)
    else:
        found = _read(checkpoint, arch)
        arch, mean, std = found.arch, found.mean, found.std
    return Initial("random", label or f"random-{arch}", arch, "", "", tuple(mean), tuple(std))


def _supervised(checkpoint: str, label: str | None, arch: str | None) -> Initial:
    arch = checkpoint if _is_name(checkpoint) else _read(checkpoint, arch).arch
    hub = logging.getLogger("huggingface_hub")  # tells of every try where there is no network
    level = hub.level
    try:
        hub.setLevel(logging.ERROR)
        initial = _from_file(f"timm:{arch}", label or f"supervised-{arch}")
    except UserError as error:
        raise UserError(f"--init supervised: {error}: supervised=FILE") from error
    finally:
        hub.setLevel(level)
    return replace(initial, init="supervised")


def _teacher(checkpoint: str, label: str | None) -> Initial:
    source, arch = teacher_of(checkpoint)
    try:
        return replace(_from_file(source, label, arch), init="teacher")
    except UserError as error:
        raise UserError(f"--init teacher: {error}; give teacher=FILE") from error


def _from_file(source: str, label: str | None, arch: str | None = None) -> Initial:
    from distill.checkpoints import file_and_key, init_of
    from distill.results import label_of

    found = _read(source, arch)
    name = label_of(found.meta["run"], source) if "run" in found.meta else name_of(source)
    file, key = file_and_key(source)
    weights = str(file.resolve()) + (f"::{key}" if key else "") if file.is_file() else source
    pixels = (tuple(found.mean), tuple(found.std))
    seed = found.meta.get("seed")
    return Initial(init_of(found), label or name, found.arch, weights, found.sha256, *pixels, seed)


def _read(source: str, arch: str | None):
    from transfer.network.weights import read_stage_weights

    return read_stage_weights(source, arch)


def _is_name(checkpoint: str) -> bool:
    """It is the name of an architecture, and no file."""
    return not (Path(checkpoint).is_file() or checkpoint.endswith((".pth", ".pt")) or "::" in checkpoint)


def name_of(checkpoint: str) -> str:
    """A checkpoint's name for a report: its file's, or its folder's if the file is just ``last.pth``.

    ``FILE::KEY`` has the key behind it.
    """
    from distill.checkpoints import file_and_key

    path, key = file_and_key(checkpoint)
    stem = path.name.split(".")[0]
    plain = stem in NAMELESS or re.fullmatch(r"(epoch|iter)_\d+", stem)
    name = path.resolve().parent.name if plain else stem
    return f"{name} {key}" if key else name
