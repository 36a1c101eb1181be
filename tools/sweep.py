#!/usr/bin/env python
r"""Trains a student for every cell of a grid of settings and measures each; tools/report.py plots the grid.

  python tools/sweep.py CONFIG --grid model.temperature=0.02,0.04,0.1 --data ROOT --out work_dirs/temperature
  python tools/sweep.py --grid 'model.dropout=None,(0.1,0.05)' model.adversarial=True,False --seeds 0,1,2 \
      --data ROOT --evaluation '--image-size 64' --out work_dirs/oss \
      -- --method oss --data DIR --teacher resnet50 --student resnet18 --epochs 12

What tools/distill.py gets is a config file, or all that stands after `--`. A value with a comma stands in
brackets. Each cell has a folder in OUT with its run, its rows and the log of its commands; the rows of all
are in OUT/results.jsonl. The same command goes on after a kill: what is done is skipped, a training is taken
up where it was, and a cell that failed is tried again. A failed cell does not stop the others.
"""

import argparse
import fcntl
import hashlib
import itertools
import json
import re
import shlex
import sys
from ast import literal_eval
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill import results  # noqa: E402
from distill.commands import call_logged  # noqa: E402
from distill.errors import UserError, kept, run_cli, unknown  # noqa: E402
from distill.results.atomic import write_text  # noqa: E402
from distill.results.protocol import declared  # noqa: E402

TOOLS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Cell:
    values: dict[str, object]
    seed: int
    folder: Path

    def __str__(self) -> str:
        return ", ".join([*(f"{key}={value}" for key, value in self.values.items()), f"seed {self.seed}"])


def parser() -> argparse.ArgumentParser:
    unasked = ",".join(name for name, protocol in declared().items() if protocol.default)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("training", nargs="+", help="a config file; or, after --, all that tools/distill.py gets")
    add("--grid", nargs="+", required=True, metavar="KEY=A,B", help="settings and their values")
    add("--seeds", default="0", metavar="A,B", help="of the trainings (default 0)")
    add("--data", required=True, metavar="ROOT", help="as for tools/evaluate.py")
    add("--protocols", default=unasked, metavar="A,B", help=f"to measure by (default {unasked})")
    add("--evaluation", default="", metavar="OPTIONS", help="more options of tools/evaluate.py")
    add("--out", required=True, metavar="DIR")
    add("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def values_of(text: str) -> list[object]:
    """The values of ``A,B``: Python's where they are, else text; commas within brackets part nothing.

    >>> values_of("0.1,swav,(0.1,0.05)")
    [0.1, 'swav', (0.1, 0.05)]
    """
    found = []
    for part in re.findall(r"(?:\([^()]*\)|\[[^\[\]]*\]|[^,])+", text):
        try:
            found.append(literal_eval(part))
        except (ValueError, SyntaxError):
            found.append(part)
    return found


def cells(args: argparse.Namespace) -> list[Cell]:
    """All cells, the seeds of a setting side by side; what shapes the run is part of its folder's name."""
    grid = {}
    for option in args.grid:
        key, _, text = option.partition("=")
        grid[key] = values_of(text)
        if not key or not grid[key]:
            raise UserError(f"--grid {option!r}: write KEY=VALUE,VALUE")
    seeds = args.seeds.split(",")
    if not all(seed.isdecimal() for seed in seeds):
        raise UserError(f"--seeds {args.seeds}: valid: whole numbers from 0 up, separated by commas")
    found = []
    for *values, seed in itertools.product(*grid.values(), map(int, seeds)):
        own = dict(zip(grid, values, strict=True))
        text = "_".join([*(f"{key.split('.')[-1]}={value}" for key, value in own.items()), f"seed={seed}"])
        name = f"{re.sub(r'[^A-Za-z0-9=._-]+', '-', text)[:80]}-{digest(own, seed, args.training)}"
        found.append(Cell(own, seed, Path(args.out) / "cells" / name))
    return found


def digest(*shaped_by: object) -> str:
    return hashlib.sha256(json.dumps(shaped_by, default=repr).encode()).hexdigest()[:8]


def rows_file(args: argparse.Namespace, cell: Cell) -> Path:
    """Where a cell's rows are: other data or other options of the evaluation have a file of their own."""
    return cell.folder / f"results-{digest(args.data, args.evaluation)}.jsonl"


def train_command(args: argparse.Namespace, cell: Cell) -> list[str]:
    """The call of tools/distill.py; the grid's settings join those of a --cfg-options that is there."""
    training, flag = list(args.training), "--cfg-options"
    if flag not in training:
        training.append(flag)
    at = training.index(flag) + 1
    training[at:at] = [f"{key}={value!r}" for key, value in cell.values.items()]
    own = ["--resume", "--work-dir", str(cell.folder / "run"), "--seed", str(cell.seed)]
    return [sys.executable, str(TOOLS / "distill.py"), *own, *training]


def evaluate_command(args: argparse.Namespace, cell: Cell, protocols: list[str]) -> list[str]:
    """The call of tools/evaluate.py."""
    command = [sys.executable, str(TOOLS / "evaluate.py"), str(cell.folder / "run/last.pth")]
    command += ["--data", args.data, "--protocols", ",".join(protocols), "--label", f"{name_of(args)} {cell}"]
    return [*command, "--results", str(rows_file(args, cell)), *shlex.split(args.evaluation)]


def name_of(args: argparse.Namespace) -> str:
    """What the report calls the sweep: the method or the config."""
    if "--method" in args.training:
        return args.training[args.training.index("--method") + 1]
    return Path(args.training[0]).stem


def run(args: argparse.Namespace, cell: Cell, lock: int) -> None:
    """Trains and measures what is missing of a cell.

    Raises:
        UserError: a command failed; its output is in the cell's log.
    """
    cell.folder.mkdir(exist_ok=True)
    trained = cell.folder / "trained"

    def call(command: list[str]) -> None:
        call_logged(command, cell.folder / "log.txt", [lock])  # kept until it has ended, too

    if not trained.exists():
        call(train_command(args, cell))
        trained.touch()
    measured = {row["task"] for row in results.read(rows_file(args, cell))}
    if missing := [name for name in args.protocols.split(",") if name not in measured]:
        call(evaluate_command(args, cell, missing))


def collect(args: argparse.Namespace, found: list[Cell]) -> None:
    """Writes the rows of all cells into one file, each with its place in the grid."""
    rows = [
        row | {"details": row.get("details", {}) | {"grid": cell.values, "grid_of": name_of(args)}}
        for cell in found
        for row in results.read(rows_file(args, cell))
    ]
    lines = [json.dumps(row, sort_keys=True, default=repr) + "\n" for row in rows]
    write_text(Path(args.out) / "results.jsonl", "".join(lines))


def main() -> None:
    args, known = parser().parse_args(), declared()
    for name in args.protocols.split(","):
        if name not in known:
            raise unknown("protocol", name, known)
    found, failures = cells(args), []
    (Path(args.out) / "cells").mkdir(parents=True, exist_ok=True)
    so_far = f"what is done is kept in {args.out}, the same command goes on"
    with open(Path(args.out) / ".lock", "w") as lock, kept(lambda: so_far, args.out):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{args.out}: another sweep works there, or is ending") from None
        for number, cell in enumerate(found, start=1):
            try:
                run(args, cell, lock.fileno())
                state = "done"
            except UserError as error:
                failures.append(f"{cell}: {error}")
                state = f"failed: {error}"
            collect(args, found)
            print(f"[{number}/{len(found)}] {cell}: {state}", flush=True)
    print(f"{args.out}/results.jsonl")
    if failures:
        raise UserError(f"{len(failures)} of {len(found)} cells failed, the first: {failures[0]}")


if __name__ == "__main__":
    run_cli(main)
