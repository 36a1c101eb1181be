#!/usr/bin/env python
"""The main job on made-up data, by the commands that a user would type.

Images -> a self-supervised teacher -> a distilled student -> frozen-feature evaluation -> conversion ->
detection and segmentation, beside a random student -> report. Can be run again: finished steps are
skipped. `--fresh` starts over.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from distill.atomic import write_text  # noqa: E402
from distill.errors import UserError, run_cli  # noqa: E402

TEACHER, STUDENT = "resnet18", "resnet10t"
IMAGE_SIZE = 48


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", default="work_dirs/demo", help="folder of everything (%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="remove the folder first")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser.parse_args()


def steps(out: Path) -> list[tuple[str, list[str]]]:
    """What is done, and the command for it, in order."""
    python = [sys.executable]
    data, images = out / "data", out / "data" / "imagefolder"
    teacher, student = out / "teacher" / "last.pth", out / "student" / "last.pth"
    results = out / "results.jsonl"
    # Small data wants small batches and other rates than ImageNet: said here, written to the run's config.
    train = ["--data", images / "train", "--image-size", IMAGE_SIZE, "--workers", 1]
    evaluate = ["--data", images, "--image-size", IMAGE_SIZE, "--resize", IMAGE_SIZE, "--results", results]
    todo = [
        ("write the demo data", [*python, "-m", "distill.data.demo", data]),
        (
            f"train a teacher without labels: SimCLR, {TEACHER}",
            [*python, "tools/distill.py", "--method", "simclr", "--student", TEACHER, *train, "--epochs", 14,
             "--batch-size", 64, "--lr", 0.002, "--work-dir", out / "teacher", "--resume", "--cfg-options",
             "optim_wrapper.optimizer.type=AdamW", "optim_wrapper.optimizer.weight_decay=0.01"],
        ),
        (
            f"distil it: CompRess-1q, {STUDENT}",
            [*python, "tools/distill.py", "--method", "compress_1q", "--teacher", teacher, "--student", STUDENT,
             *train, "--epochs", 14, "--batch-size", 64, "--lr", 0.05, "--work-dir", out / "student", "--resume"],
        ),
        ("evaluate the teacher", [*python, "tools/evaluate.py", teacher, *evaluate, "--init-label", "teacher"]),
        ("evaluate the student", [*python, "tools/evaluate.py", student, *evaluate]),
        ("evaluate a random network", [*python, "tools/evaluate.py", STUDENT, "--random", *evaluate]),
        (
            "convert the student for MMDetection, and verify",
            [*python, "tools/convert_backbone.py", student, "--to", "mmdet", "--out", out / "converted"],
        ),
    ]  # fmt: skip
    benchmarks = ["coco_lowshot_1k", "voc12_seg", *(["voc07_det"] if find_spec("detectron2") else [])]
    for benchmark in benchmarks:
        for init in ("distilled", "random"):
            command = ["bash", "tools/run_transfer.sh", benchmark, student, "--init", init, "--smoke",
                       "--data-root", data, "--work-dir", out / "transfer", "--gpus", 0]  # fmt: skip
            todo.append((f"{benchmark} from {init} weights", command))
    report = [*python, "tools/report.py", results, out / "transfer" / "results.jsonl", "--out", out / "report"]
    return [(what, [str(word) for word in command]) for what, command in [*todo, ("write the report", report)]]


def main() -> None:
    args = parse_args()
    os.chdir(ROOT)
    out = Path(args.out)
    if args.fresh:
        shutil.rmtree(out, ignore_errors=True)
    todo, started = steps(out), time.time()
    # the wrapper scripts find the same Python
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for number, (what, command) in enumerate(todo, start=1):
        done = out / "done" / f"{number:02d}"
        if done.is_file() and done.read_text() == shlex.join(command):
            print(f"[{number}/{len(todo)}] {what}: done before")
            continue
        print(f"\n[{number}/{len(todo)}] {what}\n$ {shlex.join(['python', *command[1:]] if command[0] == sys.executable else command)}", flush=True)
        if subprocess.run(command, env=environment).returncode:
            raise UserError(f"step {number} failed ({what}); mend what it says above and run this again")
        write_text(done, shlex.join(command))
    print(f"\nthe whole job took {(time.time() - started) / 60:.1f} minutes")
    print(f"open {out / 'report' / 'report.html'}")


if __name__ == "__main__":
    run_cli(main)
