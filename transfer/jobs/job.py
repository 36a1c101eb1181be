"""One seed of one benchmark as plain data: what fills its config, and what identifies its run."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from distill.errors import UserError
from distill.results.atomic import write_json, write_text
from distill.results.lines import parse_object
from transfer.datasets.find import Data
from transfer.jobs.initial import Initial
from transfer.jobs.schedule import Schedule

REFERENCE = Initial("random", "reference", "resnet18", "", "", (0.5,) * 3, (0.25,) * 3)


@dataclass(frozen=True)
class Job:
    """What the user asked for, for one seed; stored as ``job.json`` in ``folder``.

    Attributes:
        benchmark: its name in result rows.
        framework: name of its folder in ``transfer.frameworks``.
        config: the benchmark's file.
        smoke: file of overrides for a one-minute run; "" for the benchmark itself.
        options: ``--cfg-options``, in the framework's own keys; applied last.
        batch: images a step over all devices; None: the config's number for each, at most its total.
        max_steps: a shorter run; None: as long as the config says.
        image_size: shorter side of the pictures in pixels; None: the config's.
        crop_size: (height, width) of training crops; None: the config's, or ``image_size`` squared.
        output_stride: of a segmentation backbone; None: the config's.
        gpus: 0 trains on the CPU.
        workers: data-loading processes a device.
    """

    benchmark: str
    framework: str
    config: str
    smoke: str
    options: dict
    data: Data
    initial: Initial
    batch: int | None
    max_steps: int | None
    image_size: int | None
    crop_size: tuple[int, int] | None
    output_stride: int | None
    seed: int
    gpus: int
    workers: int
    folder: str

    @property
    def annotations(self) -> str:
        """This seed's training annotation file; "" where the layout itself names the training pictures."""
        return self.data.annotations[self.seed % len(self.data.annotations)]

    @property
    def devices(self) -> int:
        """Number of training processes: one for each GPU, or one on the CPU."""
        return max(self.gpus, 1)


@dataclass(frozen=True)
class Filled:
    """A benchmark's config with everything in it that depends on backbone, data and machine.

    Attributes:
        file: its name in the job's folder, ``config.py`` or ``config.yaml``.
        text: its content: what runs, and what the framework's own trainer runs as well.
        schedule: the final one, as ``text`` has it.
        lines: to print: the schedule's base and rule, and other changes.
        frozen: stages of the backbone that do not train.
    """

    file: str
    text: str
    schedule: Schedule
    lines: tuple[str, ...]
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A job, its filled config, and the settings that distinguish its result from others."""

    job: Job
    filled: Filled
    settings: dict

    @property
    def folder(self) -> Path:
        return Path(self.job.folder)

    @property
    def begun(self) -> bool:
        """There is a checkpoint to go on from."""
        return (self.folder / "last_checkpoint").exists()

    def check_folder(self) -> None:
        """UserError if the folder holds a run with other settings, whose checkpoints must not be resumed."""
        if (known := settings_in(self.folder)) is not None:
            for key in {**self.settings, **known}:
                there, now = known.get(key), self.settings.get(key)
                if there != now:
                    raise UserError(
                        f"{self.folder} holds a run with another {key} ({there} there, {now} now): "
                        "give another --work-dir or --label, or remove that folder"
                    )

    def save(self) -> Path:
        """Writes the config and ``job.json``; returns the latter's path.

        Raises:
            UserError: the folder holds another run.
        """
        self.check_folder()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "job.json"
        write_text(self.folder / self.filled.file, self.filled.text)
        write_json(path, {"settings": self.settings, "job": asdict(self.job)})
        return path


def settings_in(folder: Path) -> dict | None:
    """The settings of the run in a folder, as its ``job.json`` tells them; None where there is none.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / "job.json"
    if not path.exists():
        return None
    try:
        found = parse_object(path.read_bytes()).get("settings", {})
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}); remove {folder}, and its run is made again") from error
    return found if isinstance(found, dict) else {}


def make_run(job: Job, fill: Callable[[Job], Filled]) -> Run:
    """Fills the job's config and collects the settings that shape its result.

    ``config_sha256`` is the hash of the config filled for ``REFERENCE`` and seed 0, without local paths: all
    rows of one benchmark, size, batch and data share it, whatever their backbone and seed.
    """
    filled = fill(job)
    common = replace(job, folder="FOLDER", workers=0, seed=0, initial=REFERENCE)
    text = fill(common).text
    for path, name in (
        (common.annotations, "TRAIN"),
        (job.data.test_annotations, "TEST"),
        (job.data.root, "DATA"),
    ):
        text = text.replace(path, name) if path else text
    settings = {
        "benchmark": job.benchmark,
        "framework": job.framework,
        "smoke": bool(job.smoke),
        "options": job.options,
        "data_root": job.data.root,
        "classes": job.data.classes,
        "annotations": job.annotations,
        "defects": job.data.changes or None,  # rows of whole data do not have it
        "arch": job.initial.arch,
        "sha256": job.initial.sha256,
        "schedule": _given(asdict(filled.schedule)),
        "image_size": job.image_size,
        "crop_size": job.crop_size,
        "output_stride": job.output_stride,
        "gpus": job.gpus,
        "frozen": filled.frozen,
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    # as job.json holds them: tuples are lists
    return Run(job, filled, json.loads(json.dumps(_given(settings))))


def _given(settings: dict) -> dict:
    """The settings without those that are None."""
    return {key: value for key, value in settings.items() if value is not None}


def load(path: str | os.PathLike) -> Job:
    """The job that ``Run.save`` wrote."""
    content = json.loads(Path(path).read_text())["job"]
    data, initial, crop = content.pop("data"), content.pop("initial"), content.pop("crop_size")
    for part, keys in ((data, ("classes", "annotations", "defects", "changes")), (initial, ("mean", "std"))):
        part.update({key: tuple(part[key]) for key in keys})
    return Job(
        data=Data(**data), initial=Initial(**initial), crop_size=tuple(crop) if crop else None, **content
    )
