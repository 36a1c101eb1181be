#!/usr/bin/env python
"""Writes a teacher's embeddings of every image once, for distillation without running the teacher.

  python tools/cache_teacher.py --data DIR --teacher NAME_OR_FILE --out CACHE_DIR
  torchrun --nproc-per-node 8 tools/cache_teacher.py ...    8 GPUs share the images

An interrupted run continues where it stopped, with any number of processes. Use the cache with
tools/distill.py --teacher-cache CACHE_DIR.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import kept, run_cli, told_by_first  # noqa: E402
from distill.launchers import add_launcher  # noqa: E402

GO_ON = "the same command goes on"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of images, or of shards")
    parser.add_argument("--teacher", required=True, metavar="NAME_OR_FILE")
    parser.add_argument("--arch", help="the teacher's architecture, where its file does not tell")
    parser.add_argument("--output", choices=["backbone", "head", "auto"], default="backbone",
                        help="which embeddings: pooled features, those of the projection head, or the head's "
                        "if there is one (default: backbone; SEED uses auto)")  # fmt: skip
    parser.add_argument("--pooling", choices=["token", "mean", "both"],
                        help="of a transformer: class token, mean of the patches' tokens, or one after the "
                        "other (default: its own)")  # fmt: skip
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the cache")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument(
        "--resize", type=int, help="shorter side before the centre crop (default: size * 256 / 224)"
    )
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float16")
    parser.add_argument("--amp", action="store_true", help="compute in mixed precision (GPU)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    add_launcher(parser)
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    with told_by_first():
        args = parser().parse_args()

    from distill.peers import launched

    so_far = f"the rows made so far are kept in {args.out}, {GO_ON}"
    with launched(args.launcher, GO_ON), kept(lambda: so_far, args.out):
        run(args)


def run(args: argparse.Namespace) -> None:
    """Writes the cache, and says how far it is."""
    from distill.backbones import check_image_size
    from distill.distributed import default_device, mixed_precision, rank
    from distill.targets import Teacher
    from distill.targets.cached import write_cache

    precision = mixed_precision() if args.amp else "float32"
    say = print if rank() == 0 else lambda *_, **__: None
    teacher = Teacher(args.teacher, args.arch, args.output, pooling=args.pooling)
    say("\n".join(teacher.describe()))
    check_image_size(teacher.backbone, args.image_size, args.image_size)  # before the cache is laid out
    teacher.to(default_device())
    view = {"type": "CentreCrop", "size": args.image_size}
    if args.resize is not None:
        view["resize"] = args.resize
    started, shown = time.time(), 0.0

    def progress(done: int, total: int) -> None:
        nonlocal shown
        if done == total or time.time() - shown > 10:
            shown = time.time()
            say(f"  {done} of {total} images, {time.time() - started:.0f} s", flush=True)

    written = write_cache(
        args.out, teacher, args.data, view, args.dtype, precision, args.batch_size, args.workers, progress
    )
    say(
        f"{written} rows written, cache complete: {args.out}"
        if written
        else f"nothing to do: {args.out} is complete"
    )


if __name__ == "__main__":
    run_cli(main)
