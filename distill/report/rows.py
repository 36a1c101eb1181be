"""Result rows as the report needs them: one a model, task, settings and seed."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from distill import results
from distill.errors import UserError

# Settings that tell models or seeds apart, not protocols.
_OWN = {"arch", "weights", "sha256", "mean", "std", "seed", "resumed_from", "annotations", "frozen"}
_NO_EFFECT = {"workers"}
_PLACES = {"folder", "data_root"}


def newest_rows(paths: Iterable[str | os.PathLike]) -> tuple[list[dict], int]:
    """The rows of all files, oldest first, and how many older measurements of the same thing were left out.

    Raises:
        UserError: a file is missing, or no file holds a row.
    """
    found = [row for path in map(Path, paths) for row in _rows_of(path)]
    if not found:
        raise UserError(f"no result rows in {', '.join(map(str, paths))}; tools/evaluate.py writes them")
    # a row that does not tell the seed of the training has it from another row of the same file
    telling = [row for row in found if row.get("sha256") and "training_seed" in row]
    seeds = {row["sha256"]: row["training_seed"] for row in telling}
    newest: dict[str, dict] = {}
    for row in found:
        if row.get("sha256") in seeds:
            row = {"training_seed": seeds[row["sha256"]]} | row
        row = _told_apart(row)
        key = identity(row)
        if key not in newest or row["time"] >= newest[key]["time"]:
            newest[key] = row
    rows = sorted(newest.values(), key=lambda row: row["time"])
    return rows, len(found) - len(rows)


def _rows_of(path: Path) -> list[dict]:
    if not path.is_file():
        raise UserError(f"no such results file: {path}")
    return [_with_figures(row, path.parent) for row in results.read(path)]


def _with_figures(row: dict, folder: Path) -> dict:
    """Pictures that do not lie where the row says may lie beside its file: the folder was moved."""
    figures = row.get("figures", {})
    moved = {name: at if os.path.isfile(at) else os.path.join(folder, at) for name, at in figures.items()}
    return row | {"figures": moved} if moved else row


def comparable(row: dict) -> dict:
    """The settings without those that belong to one model or one seed: rows that share it may be compared.

    A known data set is the same wherever it lies.
    """
    return _without(row["settings"], _OWN | _NO_EFFECT | (_PLACES if row.get("data") else set()))


def trained(row: dict) -> int | str:
    """What tells apart the trainings behind rows of one label: their seed, else the checkpoint's file."""
    return row.get("training_seed", Path(str(row.get("checkpoint", ""))).name)


def identity(row: dict) -> str:
    """What a second measurement of the same thing would share."""
    parts = [row[key] for key in ("task", "init", "label", "backbone", "seed")]
    return json.dumps([*parts, row.get("data", ""), trained(row), comparable(row)], sort_keys=True)


def _told_apart(row: dict) -> dict:
    """Older rows of ``teacher.pth`` have the label of ``last.pth``: the run's, which is the folder's name."""
    checkpoint = Path(str(row.get("checkpoint", "")))
    if checkpoint.name == "teacher.pth" and row["label"] == checkpoint.parent.name:
        return row | {"label": results.label_of(row["label"], checkpoint)}
    return row


def _without(settings: dict, keys: set[str]) -> dict:
    return {
        key: _without(value, keys) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key not in keys
    }
