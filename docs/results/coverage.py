#!/usr/bin/env python
"""Runs every protocol and benchmark once on made-up and once on real pictures, and prints a table of it.

  python docs/results/coverage.py CHECKPOINT DATA OUT

CHECKPOINT is a student; DATA is as for make.sh; OUT gets the made-up data and the rows. Benchmarks are quick
tries (``--smoke``): the numbers say that a command works, not what the network is worth. The same command
goes on where it was interrupted.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from distill.errors import UserError, run_cli  # noqa: E402

PICTURES = {  # folder of real pictures -> what they show
    "tiny-imagenet-50": "50 classes of ImageNet, 64 px",
    "bccd": "blood cells",
    "bccd-two": "blood cells without the white ones, which all pictures but two show",
    "coco": "50 pictures of COCO",
    "camvid": "driving scenes",
}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    args = parser().parse_args()
    from distill.results.protocol import declared
    from transfer.benchmark import benchmarks

    checkpoint, data, out = args.checkpoint.resolve(), args.data.resolve(), args.out.resolve()
    demo, tasks = out / "data", {**declared(), **benchmarks()}
    run("-m", "distill.demo", demo)
    evaluate(checkpoint, demo / "imagefolder", demo / "voc", 32, out / "made-up")
    # fifteen times as many pictures: 100 epochs would take an hour
    short = ["--cfg-options", "linear_crops.epochs=10"]
    run("docs/results/without_class.py", data / "bccd/VOC2007", "WBC", out / "bccd-two/VOC2007")
    evaluate(checkpoint, data / "tiny-imagenet-50", out / "bccd-two", 64, out / "real", short)
    transfer(checkpoint, list(benchmarks()), demo, out / "made-up")
    for folder in PICTURES:
        names = [name for name in benchmarks() if pictures_for(tasks[name]) == folder]
        if names:
            transfer(checkpoint, names, data / folder, out / "real")
    print(*table(tasks, out), sep="\n")


def evaluate(
    checkpoint: Path, folders: Path, voc: Path, size: int, out: Path, options: list[str] | None = None
) -> None:
    """All protocols on folders of classes, and those of VOC 2007 on pictures with boxes."""
    run(
        "tools/evaluate.py", checkpoint, "--data", folders, "--protocols", "all",
        "--few-shot", "1-shot,1%,10%", "--image-size", size, "--resize", size,
        "--results", out / "results.jsonl", *(options or []),
    )  # fmt: skip
    run(
        "tools/evaluate.py", checkpoint, "--data-root", voc, "--sets", "voc07",
        "--protocols", "voc07_classification,voc07_svm", "--results", out / "results.jsonl",
    )  # fmt: skip


def transfer(checkpoint: Path, names: list[str], data: Path, out: Path) -> None:
    run(
        "-m", "transfer.run", "all", checkpoint, "--init", "distilled", "--benchmarks", ",".join(names),
        "--smoke", "--seeds", 1, "--gpus", 0, "--split-size", "all", "--data-root", data, "--work-dir", out,
    )  # fmt: skip


def run(*command: object) -> None:
    """A command of this project, which leaves out what has a row already."""
    words = [str(word) for word in command]
    if subprocess.run([sys.executable, *words], cwd=ROOT).returncode:
        raise UserError(f"failed: python {' '.join(words)}")


def pictures_for(task) -> str:
    """The folder of real pictures for a protocol or a benchmark."""
    from transfer.benchmark import Benchmark

    if not isinstance(task, Benchmark):
        return "bccd-two" if "voc07" in task.sets else "tiny-imagenet-50"
    if task.data == "coco" or task.data.endswith("instances"):
        return "coco"
    return "camvid" if task.data.endswith("masks") else "bccd"


def table(tasks: dict, out: Path) -> list[str]:
    """A line for each task: where its settings are from, and what it measured on both kinds of pictures."""
    from distill.results.rows import read

    made_up, real = (
        {row["task"]: row for row in read(out / kind / "results.jsonl")} for kind in ("made-up", "real")
    )
    page = (ROOT / "docs/settings.md").read_text()
    origins = dict(re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \| (.*) \|$", page, re.MULTILINE))
    lines = [
        "| | paper | cited | framework | ours | of these, departs | made-up pictures | real pictures |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, task in tasks.items():
        link = f"[`{name}`](settings.md#{name})"
        measured = f"{told(made_up.get(name))} | {told(real.get(name))}: {PICTURES[pictures_for(task)]}"
        lines.append(f"| {link} | {origins[name]} | {measured} |")
    return lines


def told(row: dict | None) -> str:
    if row is None:
        return "not run"
    headline = row["headline"]
    return f"{headline} {row['metrics'][headline]:.1f}, {row['seconds']:.0f} s"


if __name__ == "__main__":
    run_cli(main)
