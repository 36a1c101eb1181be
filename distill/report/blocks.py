"""Rows gathered into blocks: one task under one protocol, models side by side, mean and std over seeds."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from distill.report.rows import protocol
from distill.results.manifest import flatten

FROZEN = ("knn", "linear", "cluster_alignment")
TITLES = {
    "knn": "Nearest neighbours",
    "linear": "Linear classifier",
    "cluster_alignment": "Cluster alignment",
    "voc07_det": "Detection, VOC 2007 (Faster R-CNN C4)",
    "coco_lowshot_1k": "Detection and instances, COCO 1K (Mask R-CNN FPN)",
    "coco_lowshot_10k": "Detection and instances, COCO 10K (Mask R-CNN FPN)",
    "voc12_seg": "Segmentation, VOC 2012 (FCN)",
    "cityscapes_seg": "Segmentation, Cityscapes (FCN)",
}
HEADLINES = ("1nn", "top1", "AP", "bbox_AP50", "mIoU")  # a task's first metric, the one the overview shows
_PLACE = {"random": 0, "distilled": 1, "teacher": 3}  # anything else stands between distilled and teacher


@dataclass(frozen=True)
class Model:
    init: str
    label: str
    backbone: str


@dataclass(frozen=True)
class Cell:
    """Mean over seeds in percent, and the sample standard deviation (n - 1); None for a single seed."""

    mean: float
    std: float | None
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.1f}" if self.std is None else f"{self.mean:.1f} ± {self.std:.1f}"


@dataclass(frozen=True)
class Block:
    """One task under one protocol. ``cells`` maps (metric, model) to what was measured."""

    task: str
    settings: dict
    notes: str
    models: tuple[Model, ...]
    metrics: tuple[str, ...]
    cells: dict[tuple[str, Model], Cell]

    @property
    def data(self) -> str:
        """The last two parts of the data's folder; "" where the settings name none."""
        folder = self.settings.get("data_root") or self.settings.get("val", {}).get("folder", "")
        return "/".join(Path(folder).parts[-2:])

    @property
    def title(self) -> str:
        return TITLES.get(self.task, self.task)

    def seeds(self, model: Model) -> str:
        n = max(cell.n for (_, of), cell in self.cells.items() if of == model)
        return "1 seed" if n == 1 else f"{n} seeds"

    def gain(self, metric: str, model: Model) -> float | None:
        """Difference of the means to the random model of the same backbone; None where there is none."""
        own = self.cells.get((metric, model))
        for other in self.models:
            if other.init == "random" != model.init and other.backbone == model.backbone:
                base = self.cells.get((metric, other))
                return own.mean - base.mean if own and base else None
        return None


def blocks_of(rows: list[dict]) -> list[Block]:
    """Blocks in the order frozen features, transfer, others; models as random, distilled, others, teacher."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["task"], json.dumps(protocol(row), sort_keys=True)), []).append(row)
    order = list(TITLES)
    ranked = sorted(groups, key=lambda key: (order.index(key[0]) if key[0] in order else len(order), key[0]))
    kinds = {key: json.loads(key[1]) for key in ranked}
    blocks = []
    for key in ranked:
        siblings = [kinds[other] for other in ranked if other[0] == key[0]]
        blocks.append(_block(key[0], kinds[key], siblings, groups[key]))
    return blocks


def _block(task: str, settings: dict, siblings: list[dict], rows: list[dict]) -> Block:
    values: dict[tuple[str, Model], list[float]] = {}
    for row in rows:
        model = Model(row["init"], row["label"], row["backbone"])
        for metric, value in row["metrics"].items():
            # the deviation over few-shot draws stays in the row's details
            if not metric.endswith("_std"):
                values.setdefault((metric, model), []).append(value)
    cells = {key: Cell(mean(v), stdev(v) if len(v) > 1 else None, len(v)) for key, v in values.items()}
    models = sorted({model for _, model in cells}, key=lambda m: (_PLACE.get(m.init, 2), m.backbone, m.label))
    names = dict.fromkeys(metric for metric, _ in cells)
    metrics = tuple(sorted(names, key=lambda name: (name not in HEADLINES, "_area" in name)))
    return Block(task, settings, _notes(settings, siblings), tuple(models), metrics, cells)


def _notes(settings: dict, siblings: list[dict]) -> str:
    """The budget, and whatever tells this protocol from the task's other ones."""
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


def metric_name(metric: str) -> str:
    """A metric's name for readers: ``bbox_AP50`` is "box AP50"; ``top1`` is "top-1"."""
    for old, new in (
        ("nn", "-NN"),
        ("bbox_", "box "),
        ("segm_", "mask "),
        ("_area", ", area"),
        ("top", "top-"),
    ):
        metric = metric.replace(old, new)
    return metric.replace("_", ", ")
