"""What a training run left in its work directory: its manifest and its loss, from first step to last."""

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from statistics import mean

from distill.errors import Odd, UserError
from distill.results.lines import parse_object

LOSS_KEYS = ("loss", "total_loss")  # mmengine's name, Detectron2's name
STEP_KEYS = ("step", "iter", "iteration")


@dataclass(frozen=True)
class Run:
    """``curve`` is a list of (step, loss); ``manifest`` is {} where the run left none.

    ``minutes`` an epoch took, from the logged seconds a step; None where no epochs were logged. ``label`` is
    what result rows call its network, "" where none does.
    """

    folder: Path
    manifest: dict
    curve: list[tuple[int, float]]
    minutes: float | None = None
    label: str = ""


def find_runs(rows: list[dict], folders: Iterable[str | os.PathLike] = ()) -> list[Run]:
    """The given runs, and those whose checkpoints the rows name and whose manifests still lie beside them.

    Raises:
        UserError: a given folder is missing or holds neither a manifest nor a loss curve.
    """
    runs = {}
    for folder in map(Path, folders):
        run = read_run(folder)
        if not (run.manifest or run.curve):
            raise UserError(f"{folder} holds no run: neither manifest.json nor logged losses")
        runs[folder.resolve()] = run
    for row in rows:
        folder = run_folder(row)
        if folder and folder.resolve() not in runs:
            runs[folder.resolve()] = replace(read_run(folder), label=row["label"])
    return list(runs.values())


def run_folder(row: dict) -> Path | None:
    """The folder of the run that made the row's checkpoint, if it is still there."""
    checkpoint = Path(str(row.get("checkpoint") or ""))
    manifest = checkpoint.parent / "manifest.json"
    # not Path.is_file, which raises for a name that no file can have
    return checkpoint.parent if os.path.isfile(checkpoint) and os.path.isfile(manifest) else None


def read_run(folder: Path) -> Run:
    """One run; a resumed one logged into several files, which are joined."""
    if not folder.is_dir():
        raise UserError(f"no such run folder: {folder}")
    logs = sorted(folder.glob("*/vis_data/scalars.json")) or sorted(folder.glob("metrics.json"))
    entries = [read_log(path) for path in logs]
    curve, minutes = join_curves(map(losses, entries)), epoch_minutes(sum(entries, []))
    return Run(folder, read_manifest(folder), curve, minutes)


def read_manifest(folder: Path) -> dict:
    """What the run's manifest tells; {} where there is none, or, with a warning, where it is damaged."""
    path = folder / "manifest.json"
    if not path.is_file():
        return {}
    try:
        return parse_object(path.read_bytes())
    except ValueError as error:
        warnings.warn(f"{path}: no manifest, left out: {error}", Odd, stacklevel=2)
        return {}


def read_log(path: Path) -> list[dict]:
    """The entries of every whole line; a warning tells of the others, such as one torn by a crash.

    What an entry holds of loss, step, epoch and time are numbers.
    """
    entries, odd = [], []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            entries.append(_entry(line))
        except ValueError as error:
            odd.append(f"line {number} is {error}")
    if odd:
        more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        warnings.warn(f"{path}: left out of the curve: {odd[0]}{more}", Odd, stacklevel=2)
    return entries


def _entry(line: bytes) -> dict:
    entry = parse_object(line)
    for key in (*LOSS_KEYS, *STEP_KEYS, "epoch", "time"):
        value = entry.get(key)
        if value is None:
            entry.pop(key, None)  # or NaN, which is no point of a curve
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"no entry: its {key} is {value!a:.60}")
    return entry


def losses(entries: list[dict]) -> list[tuple[int, float]]:
    """(step, loss) of every entry that has both."""
    points = []
    for entry in entries:
        loss = next((entry[key] for key in LOSS_KEYS if key in entry), None)
        step = next((entry[key] for key in STEP_KEYS if key in entry), None)
        if loss is not None and step is not None:
            points.append((int(step), float(loss)))
    return points


def epoch_minutes(entries: list[dict]) -> float | None:
    """Steps an epoch times the logged seconds a step, data loading included; None without logged epochs."""
    timed = [entry for entry in entries if {"time", "epoch", "step"} <= entry.keys() and entry["epoch"]]
    if not timed:
        return None
    steps = max(entry["step"] / entry["epoch"] for entry in timed)
    minutes = steps * mean(entry["time"] for entry in timed) / 60
    return minutes if isfinite(minutes) else None


def join_curves(parts: Iterable[list[tuple[int, float]]]) -> list[tuple[int, float]]:
    """One curve of several, oldest part first: steps that a later part repeats are that part's."""
    joined: list[tuple[int, float]] = []
    for part in parts:
        if part:
            joined = [point for point in joined if point[0] < part[0][0]] + part
    return joined
