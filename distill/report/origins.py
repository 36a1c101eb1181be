"""What the run behind a model tells: its epochs, its teacher, the minutes an epoch took."""

import ast
from dataclasses import dataclass, replace
from pathlib import Path

from distill.errors import UserError
from distill.report.blocks import Cell, Model, cell_of, model_of
from distill.report.runs import Run, run_folder


@dataclass(frozen=True)
class Origin:
    """ "" and None where it is not known.

    Attributes:
        epochs: of the training.
        teacher: its file (last two parts of the path) or timm name.
        minutes: an epoch took, over the runs of the model.
        params, gmacs: of the backbone: parameters in millions, multiply-adds in thousand millions.
    """

    epochs: str = ""
    teacher: str = ""
    minutes: Cell | None = None
    params: float | None = None
    gmacs: float | None = None

    def told(self, name: str) -> str:
        """A property by the name that published columns have for it, as text; "" where it is not known."""
        value = {"minutes": self.minutes, "params": self.params, "gmacs": self.gmacs}.get(name)
        if isinstance(value, Cell):
            return value.text(2)
        return "" if value is None else f"{value:.2f}"


def origins(rows: list[dict], runs: list[Run]) -> dict[Model, Origin]:
    """Every model -> what its backbone costs, and what its runs tell if they lie where its rows say."""
    by_folder = {run.folder.resolve(): run for run in runs}
    found: dict[Model, dict[Path, Run]] = {}
    for row in rows:
        folder = run_folder(row)
        if folder and (run := by_folder.get(folder.resolve())):
            found.setdefault(model_of(row), {})[folder] = run
    models = dict.fromkeys(map(model_of, rows))
    of_backbone = {backbone: backbone_costs(backbone) for backbone in {model.backbone for model in models}}
    known = {model: _origin(list(own.values())) for model, own in found.items()}
    return {model: replace(known.get(model, Origin()), **of_backbone[model.backbone]) for model in models}


def backbone_costs(name: str) -> dict[str, float]:
    """Parameters and multiply-adds as papers count them: at 224 px, with a classifier for 1000 classes.

    {} for a network that is not known here or does not take images of that size.
    """
    from distill.backbones.backbone import is_known  # torch: seconds
    from distill.backbones.costs import costs

    if not is_known(name):
        return {}
    try:
        found = costs(name, 224, classes=1000)
    except UserError:
        return {}
    return {"params": found.params / 1e6, "gmacs": found.gmacs}


def _origin(runs: list[Run]) -> Origin:
    config = settings(str(runs[-1].manifest.get("config", "")))
    model, schedule = (
        part if isinstance(part := config.get(key), dict) else {} for key in ("model", "train_cfg")
    )
    teacher = model.get("teacher")
    weights = str(teacher.get("weights") or "") if isinstance(teacher, dict) else ""
    if not weights and model.get("online_teacher"):
        weights = "trained with the student"
    minutes = [run.minutes for run in runs if run.minutes is not None]
    cell = cell_of(minutes) if minutes else None
    return Origin(str(schedule.get("max_epochs", "")), "/".join(Path(weights).parts[-2:]), cell)


def settings(config: str) -> dict:
    """The literal settings of a written-out config; {} for a text that is not Python.

    >>> settings("train_cfg = dict(by_epoch=True, max_epochs=8)")
    {'train_cfg': {'by_epoch': True, 'max_epochs': 8}}
    """
    try:
        body = ast.parse(config).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # what Python says of deep brackets
        return {}
    named = [node for node in body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    return {node.targets[0].id: _value(node.value) for node in named}


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Call):
        return {part.arg: _value(part.value) for part in node.keywords}
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {key.value: _value(value) for key, value in pairs if isinstance(key, ast.Constant)}
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(part) for part in node.elts]
    return node.value if isinstance(node, ast.Constant) else None
