"""Where a backbone starts from: a checkpoint, or random weights."""

import re
from dataclasses import dataclass
from pathlib import Path

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
    def mean_255(self) -> list[float]:
        """RGB mean for pixels in 0-255."""
        return [round(255 * value, 6) for value in self.mean]

    @property
    def std_255(self) -> list[float]:
        """RGB standard deviation for pixels in 0-255."""
        return [round(255 * value, 6) for value in self.std]


def read_initial(checkpoint: str, init: str, label: str | None = None, arch: str | None = None) -> Initial:
    """Reads what ``--init`` says: the checkpoint itself, random weights of its architecture, or a file.

    Args:
        checkpoint: file, or with ``random`` also the name of an architecture.
        init: ``distilled``, ``random`` or a checkpoint file.
        label: name of the rows; by default the checkpoint's.

    Raises:
        UserError: no such file or architecture, or a file that ``distill.checkpoints.read_weights`` refuses.
    """
    from distill.backbones import create_backbone, default_mean_std
    from distill.checkpoints import init_of, read_weights
    from distill.results import label_of

    if init == "random" and not Path(checkpoint).is_file() and not checkpoint.endswith((".pth", ".pt")):
        create_backbone(checkpoint)  # an unknown name must fail here, with the valid ones
        mean, std = default_mean_std(checkpoint)
        return Initial("random", label or f"random-{checkpoint}", checkpoint, "", "", tuple(mean), tuple(std))
    source = checkpoint if init in ("distilled", "random") else init
    found = read_weights(source, arch)
    mean, std = tuple(found.mean), tuple(found.std)
    if init == "random":
        return Initial("random", label or f"random-{found.arch}", found.arch, "", "", mean, std)
    name = label_of(found.meta["run"], source) if "run" in found.meta else name_of(source)
    weights = str(Path(source).resolve()) if Path(source).is_file() else source
    seed = found.meta.get("seed")
    return Initial(init_of(found), label or name, found.arch, weights, found.sha256, mean, std, seed)


def name_of(checkpoint: str) -> str:
    """A checkpoint's name for a report: its file's, or its folder's if the file is just ``last.pth``."""
    path = Path(checkpoint)
    stem = path.name.split(".")[0]
    plain = stem in NAMELESS or re.fullmatch(r"(epoch|iter)_\d+", stem)
    return path.resolve().parent.name if plain else stem
