#!/usr/bin/env python
"""Packs a folder of images into a few large tar files, for disks and networks that are slow on small ones.

  python tools/pack_images.py DIR --out SHARDS
  python tools/pack_images.py DIR --out SHARDS --max-side 400 --workers 8

Training, the teacher's cache, evaluation and figures take SHARDS where they take a folder of images: the
images come in the same order and, without --max-side, with the same bits and the same fingerprint. An
interrupted call is gone on with by the same command. The tar files are those of WebDataset; paths in them are
those below DIR.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import UserError, kept, run_cli  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("data", metavar="DIR", help="folder of images, however nested")
    parser.add_argument("--out", required=True, metavar="SHARDS", help="new folder for the tar files")
    parser.add_argument(
        "--max-side", type=int, metavar="PIXELS",
        help="scale larger images down until their longer side is this, and encode them again",
    )  # fmt: skip
    parser.add_argument(
        "--shard-size", type=float, default=512, metavar="MB",
        help="what a tar file holds of DIR at most (default 512)",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=2, help="processes that read (default 2)")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def check(args: argparse.Namespace) -> None:
    if args.max_side is not None and args.max_side < 1:
        raise UserError(f"--max-side {args.max_side}: valid: 1 pixel or more")
    if not 0 < args.shard_size < float("inf"):
        raise UserError(f"--shard-size {args.shard_size:g}: valid: above 0 MB")
    if args.workers < 0:
        raise UserError(f"--workers {args.workers}: valid: 0 or more")


def main() -> None:
    args = parser().parse_args()
    check(args)
    from distill.data.pack import pack

    with kept(lambda: f"whole shards are kept in {args.out}, the same command goes on", args.out):
        packed = pack(args.data, args.out, args.max_side, round(args.shard_size * 1e6), args.workers)
    sizes = [size for _, size in packed.record["shards"]]
    same = "as that of" if packed.record["fingerprint"] == packed.record["source"] else "not that of"
    files = f"{len(sizes):,} tar files" if len(sizes) > 1 else "one tar file"
    print(f"{len(packed):,} images in {files}, {sum(sizes) / 1e6:,.1f} MB: {args.out}")
    print(f"  fingerprint {packed.record['fingerprint'][:16]}..., {same} {args.data}")


if __name__ == "__main__":
    run_cli(main)
