"""One seed of one benchmark as plain data: what a trainer gets, and what a finished run is known by."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from distill.errors import UserError
from distill.results.atomic import write_json
from transfer.benchmarks import ImageSize
from transfer.benchmarks.schedule import Schedule

NOT_COMPARED = ("folder", "workers")  # these do not shape the result


@dataclass(frozen=True)
class Job:
    """Everything a trainer needs; stored as ``job.json`` in ``folder``.

    Args:
        annotations: training annotation file (COCO splits); "" where the layout itself names the split.
        weights: checkpoint file; "" for random initialisation. ``sha256`` is that file's.
        mean, std: RGB, for images in [0, 1].
        gpus: 0 trains on the CPU.
    """

    benchmark: str
    framework: str
    data_root: str
    classes: tuple[str, ...]
    annotations: str
    arch: str
    weights: str
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    schedule: Schedule
    weight_decay: float
    optimizer: str
    size: ImageSize
    model: dict
    seed: int
    gpus: int
    workers: int
    folder: str

    @property
    def norm(self) -> str:
        """SyncBN over several devices; on one it would only be a slower BN (and needs a process group)."""
        return "SyncBN" if self.gpus > 1 else "BN"

    @property
    def batch_per_device(self) -> int:
        return self.schedule.batch // max(self.gpus, 1)

    @property
    def mean_255(self) -> list[float]:
        return [255 * value for value in self.mean]

    @property
    def std_255(self) -> list[float]:
        return [255 * value for value in self.std]

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints: a tenth of the run, neither seconds nor days apart."""
        return max(25, min(2_000, self.schedule.steps // 10))

    def settings(self) -> dict:
        """What shapes the result, as JSON holds it (tuples are lists)."""
        kept = {key: value for key, value in asdict(self).items() if key not in NOT_COMPARED}
        return json.loads(json.dumps(kept))

    def save(self) -> Path:
        """Writes ``job.json``.

        Raises:
            UserError: the folder holds a run with other settings, whose checkpoints must not be resumed.
        """
        path = Path(self.folder) / "job.json"
        if path.exists():
            known, wanted = load(path).settings(), self.settings()
            other = [key for key in wanted if known[key] != wanted[key]]
            if other:
                key = other[0]
                raise UserError(
                    f"{path.parent} holds a run with another {key} ({known[key]} there, {wanted[key]} now): "
                    "give another --work-dir or --label, or remove that folder"
                )
        write_json(path, asdict(self))
        return path


def load(path: str | os.PathLike) -> Job:
    """Reads what ``Job.save`` wrote."""
    content = json.loads(Path(path).read_text())
    size, schedule = content.pop("size"), content.pop("schedule")
    schedule["milestones"] = tuple(schedule["milestones"])
    size["train"], size["crop"] = tuple(size["train"]), size["crop"] and tuple(size["crop"])
    for key in ("classes", "mean", "std"):
        content[key] = tuple(content[key])
    return Job(schedule=Schedule(**schedule), size=ImageSize(**size), **content)
