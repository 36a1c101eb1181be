#!/usr/bin/env python
"""Measures what a network is worth on labelled images.

  python tools/evaluate.py work_dirs/RUN/last.pth --data ROOT       ROOT/train, ROOT/val: folders of classes
  python tools/evaluate.py --random --arch resnet18 --data ROOT     the same network before any training
  python tools/evaluate.py resnet50 --data ROOT                     timm's weights by name
  torchrun --nproc-per-node 8 tools/evaluate.py ... --features DIR  8 GPUs share the images
  python tools/evaluate.py work_dirs/RUN/last.pth --data-root DIR --sets cifar10,dtd --protocols linear_crops
  python tools/evaluate.py work_dirs/RUN/last.pth --data-root DIR --protocols all --dry-run

One row a protocol is appended to results.jsonl; what has its row there already is left out. With
--data-root, every protocol runs on the known data sets on which its paper reports it, as far as they are
there; the plan comes first.
"""

import argparse
import importlib.util
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.data import sets  # noqa: E402
from distill.errors import UserError, kept, run_cli, told_by_first  # noqa: E402
from distill.launchers import add_launcher  # noqa: E402
from distill.results.protocol import Protocol, declared  # noqa: E402

GO_ON = "the same command goes on"

if TYPE_CHECKING:
    from distill.backbones import Backbone
    from distill.backbones.weights import Weights
    from distill.evaluation import Evaluator, LabelledFolder
    from distill.evaluation.plan import Pair


def parser() -> argparse.ArgumentParser:
    protocols = declared()
    unasked = ",".join(name for name, protocol in protocols.items() if protocol.default)
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=described(protocols), allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "checkpoint", nargs="?", help="file (ours, or any that README.md lists under Teacher) or timm model"
    )
    parser.add_argument("--arch", help="network, where the file does not tell")
    parser.add_argument("--random", action="store_true", help="random weights of that network")
    data = parser.add_argument_group("data")
    data.add_argument("--data", metavar="ROOT", help="folder with train and val, a folder a class in each")
    data.add_argument("--train", metavar="DIR", help="labelled training images (default: ROOT/train)")
    data.add_argument("--val", metavar="DIR", help="labelled validation images (default: ROOT/val)")
    data.add_argument("--data-root", metavar="DIR", help="folder with known data sets, each as published")
    data.add_argument("--sets", default="", metavar="A,B", help="of those below (default: the papers')")
    data.add_argument("--download", action="store_true", help="fetch missing sets that torchvision can fetch")
    data.add_argument("--image-size", type=int, help="side of the crop (default: the checkpoint's, or 224)")
    data.add_argument(
        "--resize", metavar="PX", type=lambda side: int(side) if side.isdigit() else side,
        help="shorter side before (default: image size * 256 / 224), or squash: the whole picture, no crop",
    )  # fmt: skip
    data.add_argument("--interpolation", default="bilinear", help="bilinear (default) or bicubic")
    for name in ("mean", "std"):
        data.add_argument(
            f"--{name}", type=float, nargs=3, metavar=("R", "G", "B"),
            help="of the pixels, for images in [0, 1] (default: the checkpoint's)",
        )  # fmt: skip
    data.add_argument("--batch-size", type=int, default=256)
    data.add_argument("--workers", type=int, default=2, help="data loading processes (default 2)")
    data.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: cuda where there is one)")
    data.add_argument("--amp", action="store_true", help="features in mixed precision (GPU)")
    data.add_argument(
        "--features",
        metavar="DIR",
        help="keep the features there, and take up those that are there already",
    )
    what = parser.add_argument_group("protocols")
    what.add_argument(
        "--protocols", default=unasked, metavar="A,B", help=f"of those below, or all (default {unasked})"
    )
    what.add_argument("--dry-run", action="store_true", help="only say what would run, and what it costs")
    what.add_argument("--import", dest="file", metavar="FILE.py", help="a file with a protocol of your own")
    what.add_argument(
        "--few-shot", default="", metavar="A,B", help="with few labels as well: '1-shot,1%%,10%%'"
    )
    what.add_argument(
        "--label-list", nargs="+", default=[], metavar="SHARE=FILE",
        help="published lists for protocols with few labels, an image's name a line: 1%%=1percent.txt",
    )  # fmt: skip
    what.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="PROTOCOL.KEY=VALUE",
        help="other settings of a protocol",
    )  # fmt: skip
    what.add_argument("--seed", type=int, default=0)
    result = parser.add_argument_group("result")
    result.add_argument("--label", help="name in the report (default: the run's folder or the file)")
    result.add_argument(
        "--init-label", help="distilled, self-supervised, random, teacher, ... (default: from the checkpoint)"
    )
    result.add_argument("--results", metavar="FILE", help="default: results.jsonl beside the checkpoint")
    result.add_argument(
        "--work-dir", metavar="DIR",
        help="runs of protocols that train a network; the same command goes on where it was interrupted "
        "(default: evaluation, beside the results)",
    )  # fmt: skip
    add_launcher(parser)
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def folders(args: argparse.Namespace) -> "Iterator[LabelledFolder]":
    """The training and the validation images."""
    from distill.evaluation import list_labelled

    for part in ("train", "val"):
        given = getattr(args, part)
        if given is None and args.data is None:
            raise UserError(f"no {part} images given: use --data ROOT or --{part} DIR")
        yield list_labelled(given if given is not None else Path(args.data) / part)


def described(protocols: dict[str, Protocol]) -> str:
    """The list at the end of ``--help``."""
    width = max(map(len, protocols))
    lines = [f"  {name:<{width}}  {p.title} ({p.paper}), {p.kind}" for name, p in protocols.items()]
    known = textwrap.wrap(", ".join(sets.declared()), 100, initial_indent="  ", subsequent_indent="  ")
    heading = "protocols, on the features of the frozen network or training on images:"
    return "\n".join([heading, *lines, "", "known data sets (their trees: docs/evaluation.md):", *known])


def images(args: argparse.Namespace, chosen: "list[Evaluator]") -> "tuple[dict[str, Pair], list[str]]":
    """What to measure on, by the known set's name, "" for folders; and what to say of those missing."""
    from distill.evaluation.plan import load_sets, sets_of

    if args.data_root is None:
        if args.sets or args.download:
            raise UserError("--sets and --download need --data-root DIR, the folder of the known data sets")
        return {"": tuple(folders(args))}, []
    if args.data or args.train or args.val:
        raise UserError("--data-root is for known data sets: leave out --data, --train and --val, or it")
    if not args.download and not Path(args.data_root).is_dir():
        raise UserError(f"--data-root: no such folder: {args.data_root}")
    of_papers = [name for each in chosen for name in sets_of(each.protocol)]
    names = args.sets.split(",") if args.sets else dict.fromkeys(of_papers)
    found, missing = load_sets(names, args.data_root, args.download)
    if args.sets and missing and not args.dry_run:
        raise UserError(missing[0])
    return found, missing


def import_file(path: str) -> None:
    """Runs a Python file, for what it registers."""
    if not Path(path).is_file():
        raise UserError(f"--import: no such file: {path}")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def evaluators(args: argparse.Namespace) -> "list[Evaluator]":
    """The protocols asked for with their settings."""
    if args.file:
        import_file(args.file)
    from distill.evaluation.choose import choose

    return choose(args.protocols, args.seed, args.few_shot, args.label_list, args.cfg_options)


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


def normalised(weights: "Weights", args: argparse.Namespace) -> "tuple[Weights, str]":
    """The weights with the normalisation asked for, and a line that says what it is and who tells it."""
    from distill.backbones.weights import check_mean, check_std

    told, given = [], {}
    for name, check in (("mean", check_mean), ("std", check_std)):
        values, origin = getattr(weights, name), weights.pixels_from
        if asked := getattr(args, name):
            check(f"--{name}", asked)
            before, values, given[name] = _numbers(values), tuple(asked), tuple(asked)
            same = before == _numbers(values)  # a file's have 32 bits
            origin = "given" if same else f"given, in place of {before}: {weights.pixels_from}"
        told.append(f"{name} {_numbers(values)} ({origin})")
    return replace(weights, **given), f"  pixels in [0, 1] normalised by {' and '.join(told)}"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def load(weights: "Weights", device: str | None, pixels: str) -> "Backbone":
    """The network on its device; the first process prints what was loaded."""
    from distill.backbones import Backbone
    from distill.distributed import default_device, rank, usable_device

    backbone = Backbone.from_weights(weights)
    if rank() == 0:
        print(*backbone.report.lines(), sep="\n")
        if weights.dropped:
            print(f"  not used from the file: {', '.join(weights.dropped)}")
        print(pixels)
    return backbone.to(usable_device(device, "--device") if device else default_device())


def results_file(args: argparse.Namespace) -> Path:
    """``--results``, or results.jsonl beside the checkpoint; for weights without a file, here."""
    if args.results:
        if Path(args.results).is_dir():
            raise UserError(f"--results {args.results}: this is a folder; valid: a file")
        return Path(args.results)
    from distill.checkpoints import file_and_key

    file, _ = file_and_key(args.checkpoint or "")
    return (file.parent if file.is_file() else Path()) / "results.jsonl"


def main() -> None:
    with told_by_first():
        args = parser().parse_args()
        chosen = evaluators(args)

    from distill.peers import launched

    planned = args.data_root is not None or args.protocols == "all"
    more = f", {GO_ON}" if planned or args.features else ""
    results = results_file(args)
    so_far = f"results so far are in {results}{more}"
    with launched(args.launcher, GO_ON), kept(lambda: so_far, results.parent):
        run(args, chosen, planned)


def run(args: argparse.Namespace, chosen: "list[Evaluator]", planned: bool) -> None:
    """Measures what has no row, and writes one for each result; ``planned``: a failure stops no others."""
    from distill import results
    from distill.backbones import check_image_size
    from distill.checkpoints import init_of, label_of_weights
    from distill.distributed import mixed_precision, rank, world_size
    from distill.evaluation import Extraction, evaluate, format_table
    from distill.evaluation.cost import left_out, measure, plan_lines
    from distill.evaluation.plan import done_before, extract_shared, make_plan, run_plan

    if world_size() > 1 and args.features is None:
        raise UserError("several processes: say --features DIR, a folder that all of them see")
    data, missing = images(args, chosen)
    weights, pixels = normalised(weights_of(args), args)
    size = args.image_size if args.image_size is not None else weights.image_size or 224
    precision = mixed_precision() if args.amp else "float32"
    extraction = Extraction(size, args.resize, args.interpolation, args.batch_size, args.workers, precision)
    label = args.label or label_of_weights(weights)
    init = args.init_label or init_of(weights)
    file = results_file(args)
    work_dir = Path(args.work_dir or file.parent / "evaluation")
    backbone = load(weights, args.device, pixels)
    check_image_size(backbone, size, size)
    rows = results.read(file)
    if not planned:  # whoever gives another name asks for rows of that name
        rows = results.find(rows, label=label, init=init)
    is_done = done_before(rows, backbone, weights, extraction, args.seed)
    plan = make_plan(chosen, data, is_done, missing, everywhere=bool(args.sets) or not args.data_root)
    if rank() > 0:
        for name in plan.data if not args.dry_run else ():
            extract_shared(plan, name, backbone, extraction, Path(args.features) / name)
        return
    if planned or args.dry_run:
        seconds = measure(plan, backbone, extraction)
        print(*plan_lines(plan, extraction, seconds), sep="\n")
    if args.dry_run:
        return
    if planned and not plan.data:
        reason = "; ".join(left_out(plan))
        raise UserError(reason or f"{args.data_root}: none of these data sets is there")
    for folder in (file.parent, work_dir.parent):
        folder.mkdir(parents=True, exist_ok=True)
    measured, failed = [], []
    if planned:
        found = run_plan(plan, backbone, extraction, failed, work_dir, args.features)
    else:
        done = [cell.evaluator for cell in plan.done]
        for cell in plan.done:
            print(f"{cell.name}: its row is in {file} already, left out")
        lacking = [each for each in chosen if each not in done]
        found = evaluate(backbone, *data[""], lacking, extraction, work_dir=work_dir, keep=args.features)
    for result in found:
        # at once, so that a result is kept if the next protocol fails
        results.append(file, result.row(label, init, weights, args.seed))
        measured.append(result)
    if measured:
        print(f"\n{label} ({init}, {weights.arch}, {size} px), percent", *format_table(measured), sep="\n")
    print(f"{len(measured)} rows added to {file}")
    if failed:
        raise UserError(f"{len(failed)} of {len(plan.todo)} failed: {'; '.join(failed)}")


if __name__ == "__main__":
    run_cli(main)
