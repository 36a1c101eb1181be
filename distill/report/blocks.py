"""Rows in blocks: a task with one set of settings, models side by side, mean and std over seeds."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean, stdev

from distill.data.sets import DataSet, declared
from distill.report.published import facts
from distill.report.rows import comparable, trained
from distill.report.tasks import Tasks
from distill.results.manifest import flatten
from distill.results.protocol import Protocol

_PLACE = {"random": 0, "distilled": 1, "teacher": 3}  # anything else stands between distilled and teacher


@dataclass(frozen=True)
class Model:
    init: str
    label: str
    backbone: str


@dataclass(frozen=True)
class Cell:
    """Mean over runs in percent, and the sample standard deviation (n - 1); None for a single run.

    ``draws`` is the deviation that the only run itself tells, such as that over draws of few labels.
    """

    mean: float
    std: float | None
    n: int
    draws: float | None = None

    def __str__(self) -> str:
        return self.text(1)

    def text(self, digits: int) -> str:
        """As ``12.3 ± 0.4``, with that many digits behind the point."""
        deviation = "" if self.std is None else f" ± {self.std:.{digits}f}"
        return f"{self.mean:.{digits}f}{deviation}"


def cell_of(values: list[float], draws: float | None = None) -> Cell:
    """The cell of one model's values, of which there is at least one; ``draws`` counts for a single one."""
    if len(values) > 1:
        return Cell(mean(values), stdev(values), len(values))
    return Cell(values[0], None, 1, draws)


@dataclass(frozen=True)
class Block:
    """One task on one data set with one set of settings.

    Attributes:
        task: the task's description; ``metrics``: those measured, the headline first.
        known: the known data set's name; "" for a folder of the user's own.
        rows: model -> its result rows.
        cells: (metric, model) -> what was measured.
    """

    task: Protocol
    known: str
    settings: dict
    notes: str
    models: tuple[Model, ...]
    metrics: tuple[str, ...]
    rows: dict[Model, list[dict]]
    cells: dict[tuple[str, Model], Cell]

    @property
    def seeds(self) -> dict[Model, str]:
        """Model -> over what its means are, in words ("3 seeds")."""
        return {model: count_seeds(rows) for model, rows in self.rows.items()}

    @property
    def data(self) -> str:
        """What to call the data."""
        return data_name(self.known, self.settings)

    @property
    def image_size(self) -> object:
        """Side of the crops in pixels; None where the settings do not tell."""
        return self.settings.get("image_size")

    @property
    def repeated(self) -> bool:
        """Whether a model was measured more than once."""
        return any(cell.n > 1 for cell in self.cells.values())

    def random_of(self, model: Model) -> Model | None:
        """The random model of the same backbone; None where there is none, or it is that one."""
        for other in self.models:
            if other.init == "random" != model.init and other.backbone == model.backbone:
                return other
        return None

    def gain(self, metric: str, model: Model) -> float | None:
        """Difference of the means to the random model of the same backbone; None where there is none."""
        own, base = self.cells.get((metric, model)), self.cells.get((metric, self.random_of(model)))
        return own.mean - base.mean if own and base else None


@cache
def known_sets() -> dict[str, DataSet]:
    """Name -> every known labelled set, read once."""
    return declared()


def titles() -> dict[str, str]:
    """Known data set -> its title; those of transfer benchmarks are named as in the papers."""
    return facts()["sets"] | {name: each.title for name, each in known_sets().items()}


def data_name(known: str, settings: dict) -> str:
    """The known set, else the last two parts of the data's folder; "" where the settings name none."""
    if known:
        name, part = titles().get(known, known), reduced(known, settings)
        return f"{name} ({part})" if part else name
    val = settings.get("val")
    folder = settings.get("data_root") or (val.get("folder", "") if isinstance(val, dict) else "")
    return "/".join(Path(str(folder)).parts[-2:])


def reduced(known: str, settings: dict) -> str:
    """How many images of a known set there were, if not as many as are published; else ""."""
    if data_set := known_sets().get(known):
        for part, published in (("train", data_set.train), ("val", data_set.val)):
            found = settings.get(part)
            if not isinstance(found, dict):
                continue
            images = found.get("images", published) + found.get("unreadable", 0)
            if images != published:
                return f"{images:,} {part} images, not {published:,}"
    return ""


def blocks_of(rows: list[dict]) -> list[Block]:
    """Blocks by kind, task and data; models as random, distilled, others, teacher."""
    groups: dict[tuple[str, str, str], list[dict]] = {}
    for row in rows:
        settings = json.dumps(comparable(row), sort_keys=True)
        groups.setdefault((row["task"], row.get("data", ""), settings), []).append(row)
    tasks = Tasks()
    blocks = []
    for (name, data, settings), group in groups.items():
        siblings = [json.loads(other) for *of, other in groups if of == [name, data]]
        blocks.append(_block(tasks.of(group[-1]), data, json.loads(settings), siblings, group))
    blocks = [block for block in blocks if block.metrics]
    return sorted(blocks, key=lambda block: (tasks.place(block.task), block.known))


def model_of(row: dict) -> Model:
    """Whose row it is."""
    return Model(row["init"], row["label"], row["backbone"])


def _block(task: Protocol, data: str, settings: dict, siblings: list[dict], rows: list[dict]) -> Block:
    values: dict[tuple[str, Model], list[float]] = {}
    draws: dict[tuple[str, Model], float] = {}
    of_model: dict[Model, list[dict]] = {}
    for row in rows:
        model = model_of(row)
        of_model.setdefault(model, []).append(row)
        for metric, value in row["metrics"].items():
            if metric.endswith("_std"):
                draws[metric.removesuffix("_std"), model] = value
            else:
                values.setdefault((metric, model), []).append(value)
    cells = {key: cell_of(found, draws.get(key)) for key, found in values.items()}
    models = sorted(of_model, key=lambda m: (_PLACE.get(m.init, 2), m.backbone, m.label))
    order = [task.headline, *task.metrics]
    names = dict.fromkeys(metric for metric, _ in cells)
    metrics = sorted(names, key=lambda name: order.index(name) if name in order else len(order))
    notes = _notes(settings, siblings)
    return Block(task, data, settings, notes, tuple(models), tuple(metrics), of_model, cells)


def count_seeds(rows: list[dict]) -> str:
    """Over what one model's rows differ, in words: seeds of its training, or of the measurement, or both."""
    trainings = {trained(row) for row in rows if row["init"] != "random"}
    seeds = {row["seed"] for row in rows}
    unit = "training seed" if all(isinstance(training, int) for training in trainings) else "checkpoint"
    parts = [f"{len(trainings)} {unit}s"] if len(trainings) > 1 else []
    if len(seeds) > 1 or not parts:
        parts.append("1 seed" if len(seeds) == 1 else f"{len(seeds)} seeds")
    return ", ".join(parts)


def _notes(settings: dict, siblings: list[dict]) -> str:
    """The budget, and whatever tells these settings from the task's other ones."""
    flat = flatten(settings)
    shown = []
    for key, name in (("image_size", "pixels"), ("schedule.steps", "steps"), ("schedule.batch", "batch")):
        if key in flat:
            shown.append(f"{name}: {flat[key]}")
    others = [flatten(other) for other in siblings if other != settings]
    named = {"data_root", "val.folder", "train.folder", "image_size", "schedule.steps", "schedule.batch"}
    different = [k for k in flat if k not in named and any(o.get(k) != flat[k] for o in others)]
    shown += [f"{key}: {flat[key]}" for key in different[:6]]
    return ", ".join(shown)
