"""``results.jsonl``: one JSON row a measured result, appended whole or not at all."""

import errno
import fcntl
import json
import math
import os
import shlex
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

from distill.errors import Odd, UserError
from distill.results.lines import finite, parse_object
from distill.results.manifest import git_commit, versions

SCHEMA = 1
TOLD = 5  # odd lines of a file that are told one by one


def make_row(
    task: str,
    label: str,
    init: str,
    backbone: str,
    seed: int,
    metrics: dict[str, float],
    checkpoint: str,
    sha256: str,
    settings: dict,
    seconds: float,
    command: str | None = None,
    training_seed: int | None = None,
    title: str = "",
    kind: str = "",
    headline: str = "",
    names: dict[str, str] | None = None,
    data: str = "",
    details: dict | None = None,
    figures: dict[str, str] | None = None,
) -> dict:
    """One result.

    Args:
        task: a protocol's or a benchmark's name (``knn``, ``voc07_det``).
        label: what the row is called in a report, e.g. the run's name.
        init: ``distilled``, ``random``, ``teacher`` or another word for where the weights come from
            (``distill.checkpoints.init_of`` tells it).
        backbone: the architecture's name.
        seed: of the measurement.
        metrics: name -> value in percent.
        checkpoint: path of the evaluated file, or a model name; ``sha256`` of its content or ``""``.
        settings: everything that shapes the number (image size, steps, learning rate, data).
        seconds: wall-clock time of the measurement.
        command: the command line; by default this process's own.
        training_seed: of the run that made the weights, where it is known.
        title, kind, headline, names: the task's heading, kind (``features``, ``images``, ``transfer``) and
            first metric in reports, and metric -> name for readers: see ``distill.results.protocol``.
        data: the known data set's name; "" for a folder of the user's own.
        details: what a metric is made of, such as the accuracy of each class.
        figures: name -> path of a picture that was written along with the result.

    Raises:
        UserError: a metric that is NaN or infinite: nothing was measured.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise UserError(f"{task}: {name} is {value}; no row is written")
    told = dict(training_seed=training_seed, title=title, kind=kind, headline=headline, names=names)
    told |= dict(data=data, details=details, figures=figures)
    return {
        "schema": SCHEMA,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": task,
        "label": label,
        "init": init,
        "backbone": backbone,
        "seed": seed,
        "metrics": {name: float(value) for name, value in metrics.items()},
        "checkpoint": str(checkpoint),
        "sha256": sha256,
        "settings": settings,
        "seconds": round(seconds, 2),
        "command": command or shlex.join([Path(sys.executable).name, *sys.argv]),
        "versions": versions(),
        "git": git_commit(),
        **{key: value for key, value in told.items() if value not in (None, "", {})},
    }


def label_of(run: str, checkpoint: str | os.PathLike) -> str:
    """What reports call a file that a run wrote: the run's name, and the file's unless that is ``last.pth``.

    >>> label_of("oss_resnet18", "work_dirs/oss_resnet18/teacher.pth")
    'oss_resnet18 teacher'
    """
    stem = Path(checkpoint).name.split(".")[0]
    return run if stem == "last" else f"{run} {stem}"


def append(path: str | os.PathLike, row: dict) -> None:
    """Appends one row under a file lock and syncs it; a line torn by an earlier crash is closed first.

    What is NaN or infinite in its details becomes null, as JSON has neither. The folder must be there.
    """
    path = Path(path)
    line = (json.dumps(finite(row), sort_keys=True, default=str) + "\n").encode()
    with open(path, "ab+", buffering=0) as file:  # unbuffered: an error leaves nothing to write
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        if end and not _ends_with_newline(file, end):
            line = b"\n" + line
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError as error:
            if os.path.isfile(path):
                os.ftruncate(file.fileno(), end)  # a full disk must not leave half a row
            raise OSError(error.errno, error.strerror, str(path)) from error


def _ends_with_newline(file, end: int) -> bool:
    file.seek(end - 1)
    return file.read(1) == b"\n"


def read(path: str | os.PathLike) -> list[dict]:
    """The rows of a file, oldest first, each held against ``distill.results.schema.Row``; [] without a file.

    A device has none: ``/dev/full`` and ``/dev/zero`` never end.

    A line that is no such row (torn, of a later version, with a metric that is NaN) is left out, and a
    warning tells its number and the reason.

    Raises:
        UserError: the path is not a file's.
    """
    from distill.results.schema import check_row  # pydantic: a tool's help must be quick

    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; valid: a file of result rows")
    if not path.exists() or path.is_char_device() or path.is_block_device():
        return []
    rows, odd = [], 0
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_object(line)
            check_row(row)
            rows.append(row)
        except ValueError as error:
            odd += 1
            if odd <= TOLD:
                warnings.warn(f"{path}:{number}: no result row, left out: {error}", Odd, stacklevel=2)
    if odd > TOLD:
        warnings.warn(f"{path}: {odd - TOLD} more lines are no result rows, left out", Odd, stacklevel=2)
    return rows


def find(rows: list[dict], **equal: object) -> list[dict]:
    """The rows whose fields equal all the given values."""
    return [row for row in rows if all(row.get(key) == value for key, value in equal.items())]
