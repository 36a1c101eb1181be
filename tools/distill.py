#!/usr/bin/env python
r"""Trains a student.

  python tools/distill.py --data DIR --teacher NAME_OR_FILE --student mobilenetv3_large_100
  python tools/distill.py --data DIR --teacher NAME_OR_FILE --student resnet18 --method compress_1q
  python tools/distill.py CONFIG

Training data is any folder of images, however nested, or what tools/pack_images.py made of one; labels are
not needed. Several GPUs:
  torchrun --nproc-per-node 8 tools/distill.py CONFIG
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.engine.options import parse_options  # noqa: E402
from distill.errors import UserError, run_cli, told_by_first  # noqa: E402
from distill.launchers import add_launcher  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("config", nargs="?", help="config file; or leave it out and give --data")
    quick = parser.add_argument_group("without a config file: a method's own settings")
    quick.add_argument(
        "--method", metavar="NAME",
        help="a file name of configs/_base_ (default: feature_matching); docs/methods.md explains them",
    )  # fmt: skip
    quick.add_argument("--data", metavar="DIR", help="folder of training images, or of shards")
    quick.add_argument(
        "--teacher", metavar="NAME_OR_FILE", help="checkpoint file, or a timm name for timm's weights"
    )
    quick.add_argument("--arch", metavar="NAME", help="the teacher's timm name, where its file does not tell")
    quick.add_argument("--student", metavar="NAME", help="any timm name, or alexnet_compress")
    quick.add_argument("--teacher-cache", metavar="DIR", help="embeddings written by tools/cache_teacher.py")
    quick.add_argument("--epochs", type=int)
    quick.add_argument("--batch-size", type=int, help="over all processes; scales the learning rate")
    quick.add_argument("--image-size", type=int, help="side of the training views in pixels")
    quick.add_argument(
        "--lr", type=float, help="learning rate for the whole batch, instead of the scaled one"
    )
    quick.add_argument(
        "--workers", type=int,
        help="data loading processes for each training process (default: 8, or as many as it has cores)",
    )  # fmt: skip
    run = parser.add_argument_group("the run")
    run.add_argument("--work-dir", help="where to write (default: work_dirs/NAME)")
    run.add_argument(
        "--resume", nargs="?", const=True, default=False, metavar="PATH",
        help="go on from the newest training state in the work dir, or from PATH",
    )  # fmt: skip
    run.add_argument(
        "--accept-changes", action="store_true",
        help="go on although settings, images or teacher are others than when the run began",
    )  # fmt: skip
    run.add_argument("--evaluate", metavar="ROOT", help="log k-NN accuracy every epoch")
    run.add_argument("--track", metavar="NAME", help="curves in wandb, mlflow or aim, beside tensorboard's")
    run.add_argument("--amp", action="store_true", help="mixed precision (GPU): bfloat16 or float16")
    run.add_argument("--compile", action="store_true", help="torch.compile for the networks")
    run.add_argument("--seed", type=int)
    add_launcher(run)
    run.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE",
        help="changes to the config, e.g. model.temperature=0.007 optim_wrapper.optimizer.lr=0.02",
    )  # fmt: skip
    run.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    # torchrun's older siblings pass it
    parser.add_argument("--local-rank", "--local_rank", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    with told_by_first():
        args = parser().parse_args()
        options = parse_options(args.cfg_options)
        if args.config and not Path(args.config).is_file() and "RANK" not in os.environ:  # before the imports
            raise UserError(f"no such config file: {args.config}")
    from distill.engine.pretrain import pretrain

    pretrain(
        args.method, args.data, args.student, args.teacher,
        config=args.config, work_dir=args.work_dir, resume=args.resume,
        accept_changes=args.accept_changes, seed=args.seed, amp=args.amp, compile=args.compile,
        evaluate=args.evaluate, track=args.track, launcher=args.launcher, cfg_options=options,
        teacher_cache=args.teacher_cache, epochs=args.epochs, batch_size=args.batch_size,
        image_size=args.image_size, lr=args.lr, workers=args.workers, arch=args.arch,
    )  # fmt: skip


if __name__ == "__main__":
    run_cli(main)
