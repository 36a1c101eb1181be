#!/usr/bin/env python
"""Measures frozen features of a checkpoint on labelled images.

  python tools/evaluate.py work_dirs/RUN/last.pth --data ROOT       ROOT/train, ROOT/val: folders of classes
  python tools/evaluate.py --random --arch resnet18 --data ROOT     the same network before any training
  python tools/evaluate.py resnet50 --data ROOT                     timm's weights by name
  torchrun --nproc-per-node 8 tools/evaluate.py ... --features DIR  8 GPUs share the images

One row a protocol is appended to results.jsonl.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import UserError, run_cli, unknown  # noqa: E402

if TYPE_CHECKING:
    from distill.backbones import Backbone
    from distill.backbones.weights import Weights
    from distill.evaluation import Evaluator, LabelledFolder

DEFAULT_PROTOCOLS = "knn,linear,cluster_alignment"
INITS = {"distill": "distilled", "random": "random"}  # by the weights' source; all others are teachers


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "checkpoint", nargs="?", help="file (ours, or any that README.md lists under Teacher) or timm model"
    )
    parser.add_argument("--arch", help="network, where the file does not tell")
    parser.add_argument("--random", action="store_true", help="random weights of that network")
    data = parser.add_argument_group("data")
    data.add_argument("--data", metavar="ROOT", help="folder with train and val, a folder a class in each")
    data.add_argument("--train", metavar="DIR", help="labelled training images (default: ROOT/train)")
    data.add_argument("--val", metavar="DIR", help="labelled validation images (default: ROOT/val)")
    data.add_argument("--image-size", type=int, help="side of the crop (default: the checkpoint's, or 224)")
    data.add_argument("--resize", type=int, help="shorter side before (default: image size * 256 / 224)")
    data.add_argument("--interpolation", default="bilinear", help="bilinear (default) or bicubic")
    data.add_argument("--batch-size", type=int, default=256)
    data.add_argument("--workers", type=int, default=2, help="data loading processes (default 2)")
    data.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: cuda where there is one)")
    data.add_argument(
        "--features",
        metavar="DIR",
        help="keep the features there, and take up those that are there already",
    )
    what = parser.add_argument_group("protocols")
    what.add_argument(
        "--protocols",
        default=DEFAULT_PROTOCOLS,
        metavar="A,B",
        help=f"default {DEFAULT_PROTOCOLS}; or retrieval",
    )
    what.add_argument(
        "--few-shot", default="", metavar="A,B", help="k-NN with few labels as well: '1-shot,1%%,10%%'"
    )
    what.add_argument("--seed", type=int, default=0)
    result = parser.add_argument_group("result")
    result.add_argument("--label", help="name in the report (default: the run's folder or the file)")
    result.add_argument("--init-label", help="distilled, random, teacher, ... (default: from the checkpoint)")
    result.add_argument("--results", metavar="FILE", help="default: results.jsonl beside the checkpoint")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser.parse_args()


def folders(args: argparse.Namespace) -> "Iterator[LabelledFolder]":
    """The training and the validation images."""
    from distill.evaluation import list_labelled

    for part in ("train", "val"):
        given = getattr(args, part)
        if given is None and args.data is None:
            raise UserError(f"no {part} images given: use --data ROOT or --{part} DIR")
        yield list_labelled(given if given is not None else Path(args.data) / part)


def evaluators(args: argparse.Namespace) -> "list[Evaluator]":
    """The protocols asked for, with the seed where one has any."""
    from distill.evaluation import EVALUATORS_OF_TASKS

    chosen = []
    for name in args.protocols.split(","):
        if name not in EVALUATORS_OF_TASKS:
            raise unknown("protocol", name, EVALUATORS_OF_TASKS)
        kind = EVALUATORS_OF_TASKS[name]
        settings = {"seed": args.seed} if "seed" in kind.__annotations__ else {}
        if name == "knn" and args.few_shot:
            settings["few_shot"] = tuple(args.few_shot.split(","))
        chosen.append(kind(**settings))
    if args.few_shot and "knn" not in args.protocols.split(","):
        raise UserError("--few-shot needs knn among the --protocols")
    return chosen


def weights_of(args: argparse.Namespace) -> "Weights":
    """The checkpoint's weights, or random ones of its architecture."""
    from distill.checkpoints import random_weights, read_weights

    if args.random:
        if args.arch is None and args.checkpoint is None:
            raise UserError("--random needs --arch NAME, or a checkpoint whose architecture to take")
        return random_weights(args.arch or read_weights(args.checkpoint).arch, args.seed)
    if args.checkpoint is None:
        raise UserError("no checkpoint given: name a file or a timm model, or use --random --arch NAME")
    return read_weights(args.checkpoint, args.arch)


def default_label(args: argparse.Namespace, weights: "Weights") -> str:
    """The run's name, else the file's or the model's."""
    if args.random:
        return f"random {weights.arch}"
    path = Path(args.checkpoint)
    return weights.meta.get("run") or (path.name.split(".")[0] if path.is_file() else path.name)


def load(weights: "Weights", device: str | None) -> "Backbone":
    """The network on its device; the first process prints what was loaded."""
    from distill.backbones import Backbone
    from distill.distributed import default_device, rank

    backbone = Backbone.from_weights(weights)
    if rank() == 0:
        print(*backbone.report.lines(), sep="\n")
        if weights.dropped:
            print(f"  not used from the file: {', '.join(weights.dropped)}")
    try:
        return backbone.to(device or default_device())
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {device}: {str(error).splitlines()[0]}") from error


def results_file(args: argparse.Namespace) -> Path:
    """``--results``, or results.jsonl beside the checkpoint; for weights without a file, here."""
    if args.results:
        return Path(args.results)
    beside = args.checkpoint is not None and Path(args.checkpoint).is_file()
    return (Path(args.checkpoint).parent if beside else Path()) / "results.jsonl"


def main() -> None:
    args = parse_args()
    chosen = evaluators(args)
    train, val = folders(args)
    weights = weights_of(args)

    from distill import results
    from distill.backbones import check_image_size
    from distill.distributed import join_torchrun, rank, world_size
    from distill.evaluation import Extraction, evaluate, extract_both, format_table

    size = args.image_size if args.image_size is not None else weights.image_size or 224
    extraction = Extraction(size, args.resize, args.interpolation, args.batch_size, args.workers)
    label = args.label or default_label(args, weights)
    init = args.init_label or INITS.get(weights.source, "teacher")
    file = results_file(args)
    join_torchrun()
    if world_size() > 1 and args.features is None:
        raise UserError("several processes: say --features DIR, a folder that all of them see")
    backbone = load(weights, args.device)
    check_image_size(backbone, size, size)
    if rank() > 0:
        extract_both(backbone, train, val, extraction, keep=args.features)
        return
    measured = []
    for result in evaluate(backbone, train, val, chosen, extraction, keep=args.features):
        row = results.make_row(
            result.task, label, init, weights.arch, args.seed, result.metrics, weights.path, weights.sha256,
            result.settings, result.seconds,
        )  # fmt: skip
        results.append(file, row)  # at once: what is measured stays, whatever becomes of the next
        measured.append(result)
    print(f"\n{label} ({init}, {weights.arch}, {size} px), percent")
    print(*format_table(measured), sep="\n")
    print(f"{len(measured)} rows added to {file}")


if __name__ == "__main__":
    run_cli(main)
