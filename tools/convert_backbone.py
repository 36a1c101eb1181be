#!/usr/bin/env python
"""Writes a checkpoint's backbone for another framework, with a config that uses it, and verifies both.

  python tools/convert_backbone.py work_dirs/run/last.pth --to timm

The same images go through the timm network and the framework's; every stage must give the same map to 1e-4
(or to 1e-5 of its largest value), and the model must take a training step. Otherwise nothing is written. See
docs/conversion.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import run_cli  # noqa: E402
from transfer.frameworks import FRAMEWORKS  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("checkpoint", metavar="CKPT", help="a checkpoint of any known format, or a timm name")
    parser.add_argument("--to", required=True, choices=FRAMEWORKS, help="the framework")
    parser.add_argument("--out", metavar="DIR", help="folder to write to (default: converted/ beside CKPT)")
    parser.add_argument("--arch", help="the architecture, where the checkpoint does not tell")
    parser.add_argument("--native", action="store_true", help="for the framework's own ResNet (no adapter)")
    parser.add_argument("--stages", nargs="+", default=("res2", "res3", "res4", "res5"), metavar="STAGE",
                        help="maps that the config uses (default: res2 res3 res4 res5)")  # fmt: skip
    parser.add_argument("--image-size", type=int, metavar="SIDE",
                        help="onnx: for squares of SIDE pixels alone (default: any size)")  # fmt: skip
    parser.add_argument("--images", metavar="DIR", help="pictures to verify with (default: two of noise)")
    parser.add_argument("--no-verify", action="store_true", help="where the framework is not installed")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    args = parser().parse_args()
    from transfer.convert import convert

    done = convert(
        args.checkpoint, args.to, args.out, args.arch, args.native, args.stages,
        verified=not args.no_verify, images=args.images, image_size=args.image_size,
    )  # fmt: skip
    sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold bytes that are no text
    print("\n".join(done.lines))


if __name__ == "__main__":
    run_cli(main)
