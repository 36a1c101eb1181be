#!/usr/bin/env python
"""The main job on made-up data, by the commands that a user would type.

Images -> a self-supervised teacher -> a distilled student -> frozen-feature evaluation -> conversion ->
detection and segmentation, beside a random student -> report. A second call skips the finished steps;
`--fresh` starts over. `--without-transfer` stops after the evaluation: it needs neither MMDetection nor
MMSegmentation.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from distill.errors import UserError, kept, run_cli  # noqa: E402
from distill.results.atomic import write_text  # noqa: E402

TEACHER, STUDENT = "resnet10t", "test_resnet"
SIZE = 32  # pixels; test_resnet is timm's smallest ResNet: 0.37 M parameters, a thirteenth of the teacher
# {out} is the folder of the demo. Published settings are for ImageNet; what a thousand small pictures need
# instead (larger crops, a small batch and with it Adam instead of LARS) goes into the run's own config.
TRAIN = (
    f"--data {{out}}/data/imagefolder/train --image-size {SIZE} --batch-size 64 --workers 1 --resume "
    "--cfg-options train_dataloader.dataset.augmentation.scale='(0.3,0.7)' "
)
# No flips, because a mirrored 2 is not a 2; more grey, because the colour alone tells sheets apart.
VIEWS = " ".join(
    f"train_dataloader.dataset.augmentation.{setting}"
    for setting in ("strength=0.75", "blur=0", "grey=0.5", "flip=0")
)
# In few steps residual blocks that start as identities learn faster than with the start of CompRess's code.
ZERO_START = "model.student.zero_init_last=True"
ADAM = "optim_wrapper.optimizer={'_delete_':True,'type':'AdamW','lr':0.002,'weight_decay':0.01}"
EVALUATE = (
    f"--data {{out}}/data/imagefolder --image-size {SIZE} --resize {SIZE} --workers 1 "
    "--results {out}/results.jsonl"
)
TRANSFER = "--smoke --gpus 0 --data-root {out}/data --work-dir {out}/transfer"
DISTILLATION = {
    "write the demo data": "python -m distill.demo {out}/data",
    f"train a teacher without labels (SimCLR, {TEACHER})": (
        f"python tools/distill.py --method simclr --student {TEACHER} --epochs 20 "
        f'--work-dir {{out}}/teacher {TRAIN} model.temperature=0.2 {VIEWS} "{ADAM}"'
    ),
    f"distil it (CompRess-1q, {STUDENT})": (
        f"python tools/distill.py --method compress_1q --teacher {{out}}/teacher/last.pth "
        f'--student {STUDENT} --epochs 8 --work-dir {{out}}/student {TRAIN} {ZERO_START} "{ADAM}"'
    ),
    "evaluate the teacher": (
        f"python tools/evaluate.py {{out}}/teacher/last.pth --init-label teacher {EVALUATE}"
    ),
    "evaluate the student": f"python tools/evaluate.py {{out}}/student/last.pth {EVALUATE}",
    "evaluate a random network": f"python tools/evaluate.py --random --arch {STUDENT} {EVALUATE}",
}
TRANSFERS = {
    "convert the student for MMDetection and verify it": (
        "python tools/convert_backbone.py {out}/student/last.pth --to mmdet --out {out}/converted"
    ),
    **{
        f"{benchmark} from {init} weights": (
            f"bash tools/run_transfer.sh {benchmark} {{out}}/student/last.pth --init {init} {TRANSFER}"
        )
        for benchmark in ("coco_lowshot_1k_syncbn", "voc12_seg")
        for init in ("distilled", "random")
    },
}
WHOLE = DISTILLATION | TRANSFERS | {
    "write the report": (
        "python tools/report.py {out}/results.jsonl {out}/transfer/results.jsonl --out {out}/report"
    )
}
WITHOUT_TRANSFER = DISTILLATION | {
    "write the report": "python tools/report.py {out}/results.jsonl --out {out}/report"
}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", default="work_dirs/demo", help="folder of everything (%(default)s)")
    parser.add_argument("--without-transfer", action="store_true", help="distillation and evaluation alone")
    parser.add_argument("--fresh", action="store_true", help="remove the folder first")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def run_step(what: str, command: str, place: str, done: Path) -> None:
    """Runs one command unless it was done before; raises UserError if it fails."""
    if done.is_file() and done.read_text() == command:
        print(f"[{place}] {what}: done before")
        return
    print(f"\n[{place}] {what}\n$ {command}", flush=True)
    # this Python for the wrapper scripts too, whatever is active in the shell
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    if subprocess.run(words, env={**os.environ, "PATH": path}).returncode:
        raise UserError(f"step {place} failed ({what}); mend what it says above and run this again")
    write_text(done, command)


def main() -> None:
    args = parser().parse_args()
    out = Path(args.out).resolve()
    out = out.relative_to(ROOT) if out.is_relative_to(ROOT) else out
    os.chdir(ROOT)
    if args.fresh:
        shutil.rmtree(out, ignore_errors=True)
    steps = WITHOUT_TRANSFER if args.without_transfer else WHOLE
    started = time.time()
    (out / "done").mkdir(parents=True, exist_ok=True)
    with kept(lambda: "the same command goes on with the step that was not done", out):
        for number, (what, command) in enumerate(steps.items(), start=1):
            command = command.replace("{out}", shlex.quote(str(out)))
            run_step(what, command, f"{number}/{len(steps)}", out / "done" / f"{number:02d}")
    done = "the distillation half" if args.without_transfer else "the main job"
    print(f"\n{done} took {(time.time() - started) / 60:.1f} minutes")
    print(f"open {out / 'report' / 'report.html'}")


if __name__ == "__main__":
    run_cli(main)
