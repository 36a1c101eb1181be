#!/usr/bin/env python
"""Draws what networks have learned: clusters, accuracy by class, feature maps, where they look.

  python tools/figures.py work_dirs/RUN/last.pth --data ROOT --out DIR    ROOT/train, ROOT/val: class folders
  python tools/figures.py STUDENT TEACHER --random resnet18 --data ROOT --out DIR --image-size 224
  python tools/figures.py --results results.jsonl --out DIR               accuracy by class, from rows

Each figure is a PNG that says below and in its text fields what it shows, of what data, and by which command.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill import figures  # noqa: E402
from distill.errors import UserError, run_cli, unknown  # noqa: E402

if TYPE_CHECKING:
    from distill.backbones.weights import Weights
    from distill.figures.material import Material, Subject


def parser() -> argparse.ArgumentParser:
    known = figures.names()
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["figures:", *(f"  {name:<13} {shows}" for name, shows in known.items())]),
    )  # fmt: skip
    parser.add_argument("checkpoints", nargs="*", help="files (as for evaluate.py) or timm models")
    parser.add_argument("--arch", help="network, where a file does not tell")
    parser.add_argument("--random", metavar="ARCH", help="random weights of that network, to compare with")
    parser.add_argument("--data", metavar="ROOT", help="folder with train and val, a folder a class in each")
    parser.add_argument("--data-root", metavar="DIR", help="or the folder with known data sets,")
    parser.add_argument("--set", metavar="NAME", help="... of which this one (those that evaluate.py lists)")
    parser.add_argument("--images", metavar="DIR", help="or any folder of pictures, for feature_maps alone")
    parser.add_argument(
        "--results", nargs="+", metavar="FILE",
        help="in place of networks: draw per_category from rows of cluster_alignment",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the pictures")
    parser.add_argument(
        "--figures", default=",".join(known), metavar="A,B", help="of those below (default: all of them)"
    )
    parser.add_argument("--clusters", type=int, default=30, help="how many clusters are shown (default 30)")
    parser.add_argument("--pictures", type=int, default=8, help="how many pictures are shown (default 8)")
    parser.add_argument("--seed", type=int, default=0, help="of all choices, k-means and random weights")
    parser.add_argument(
        "--image-size", type=int,
        help="side of the pictures (default: the first checkpoint's, or 224); larger ones have finer maps",
    )  # fmt: skip
    parser.add_argument(
        "--resize", metavar="PX", type=lambda side: int(side) if side.isdigit() else side,
        help="shorter side before (default: image size * 256 / 224), or squash: the whole picture, no crop",
    )  # fmt: skip
    parser.add_argument(
        "--features", nargs="+", default=[], metavar="DIR",
        help="a folder a network: keep its features there, and take up those that are there already",
    )  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2, help="data loading processes (default 2)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: cuda where there is one)")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def check(args: argparse.Namespace) -> None:
    """Refuses what cannot be drawn, before any work."""
    known, networks = figures.names(), [*args.checkpoints, *([args.random] if args.random else [])]
    for name in args.figures.split(","):
        if name not in known:
            raise unknown("figure", name, known)
    if bool(networks) == bool(args.results):
        raise UserError("name checkpoints (or --random ARCH), or else --results FILE")
    if networks and sum(map(bool, (args.data, args.data_root, args.images))) != 1:
        raise UserError("name the images: --data ROOT, --data-root DIR --set NAME, or --images DIR")
    if bool(args.data_root) != bool(args.set):
        raise UserError("--data-root and --set belong together")
    if len(args.features) not in (0, len(networks)):
        raise UserError(f"--features: {len(args.features)} folders for {len(networks)} networks")
    if min(args.clusters, args.pictures) < 1:
        raise UserError("--clusters and --pictures must be at least 1")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: valid: 0 or more")


def all_weights(args: argparse.Namespace) -> "list[Weights]":
    from distill.checkpoints import random_weights, read_weights

    found = [read_weights(checkpoint, args.arch) for checkpoint in args.checkpoints]
    return found + ([random_weights(args.random, args.seed)] if args.random else [])


def material(args: argparse.Namespace, image_size: int) -> "Material":
    """The images."""
    from distill.data import sets
    from distill.data.image_files import open_images
    from distill.evaluation import Extraction, check_same_classes, list_labelled
    from distill.figures.material import Material

    if args.images:
        train, val = None, open_images(args.images)
    elif args.set:
        train, val = sets.load(args.set, args.data_root)
    else:
        train, val = (list_labelled(Path(args.data) / part) for part in ("train", "val"))
        check_same_classes(train, val)
    if args.figures != "feature_maps" and (args.images or val.labels.ndim > 1):
        raise UserError(f"{val.root}: pictures without one class each; valid: --figures feature_maps")
    extraction = Extraction(image_size, args.resize, batch_size=args.batch_size, workers=args.workers)
    return Material(train, val, extraction, args.seed, args.clusters, args.pictures, print)


def subjects(args: argparse.Namespace, weights: "list[Weights]", images: "Material") -> "Iterator[Subject]":
    """The networks on their device, each under a name of its own."""
    from distill.backbones import Backbone, check_image_size
    from distill.checkpoints import label_of_weights
    from distill.distributed import default_device, usable_device
    from distill.figures.material import Subject

    size, used = images.extraction.image_size, set()
    for number, each in enumerate(weights):
        backbone = Backbone.from_weights(each)
        print(*backbone.report.lines(), sep="\n")
        check_image_size(backbone, size, size)
        label = label_of_weights(each)
        label = f"{label} ({number + 1})" if label in used else label
        used.add(label)
        keep = Path(args.features[number]) if args.features else None
        device = usable_device(args.device, "--device") if args.device else default_device()
        yield Subject(label, backbone.to(device), images, keep)


def main() -> None:
    args = parser().parse_args()
    check(args)
    command = shlex.join([Path(sys.executable).name, *sys.argv])
    from distill.figures.drawing import style, write

    with style():
        if args.results:
            from distill.figures.per_category import drawing_of_rows

            drawings = [drawing_of_rows(args.results)]
        else:
            draw = [figures.drawer(name) for name in args.figures.split(",")]
            weights = all_weights(args)
            images = material(args, args.image_size or weights[0].image_size or 224)
            networks = list(subjects(args, weights, images))
            drawings = (drawing for each in draw for drawing in each(images, networks))
        for drawing in drawings:
            print(write(drawing, args.out, command))


if __name__ == "__main__":
    run_cli(main)
