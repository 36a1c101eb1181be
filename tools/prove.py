#!/usr/bin/env python
r"""Does distillation help on my pictures? Trains, measures, compares and says so, in one sentence and a page.

  python tools/prove.py --data ROOT --teacher FILE_OR_NAME --student resnet18 --out DIR
  python tools/prove.py --data ROOT --unlabelled DIR --teacher dino.pth --student resnet18 --method seed \
      --supervised resnet18 --out DIR -- --epochs 100 --batch-size 128
  python tools/prove.py --data ROOT --benchmark voc07_det --teacher FILE_OR_NAME --student resnet18 --out DIR

ROOT/train and ROOT/val hold a folder a class; with --benchmark ROOT is what tools/run_transfer.sh takes as
its --data-root. A student is distilled on the unlabelled pictures once a seed; then the distilled, a random,
the teacher's and, where it is given, a supervised start are measured alike with each seed: with each share of
the labels, frozen or fine-tuned by the protocols named, or as the benchmark fine-tunes a detector or
segmenter. Test pictures that are trained on as well, the same file or a near copy, are refused. After --
stands what tools/distill.py gets.

OUT gets proof.md and proof.html, results.jsonl (for tools/report.py; of a benchmark in OUT/transfer) and the
log of every command. The same command goes on after a kill.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.commands import call_logged  # noqa: E402
from distill.errors import UserError, kept, run_cli  # noqa: E402
from distill.results.atomic import write_json, write_text  # noqa: E402

TOOLS = Path(__file__).resolve().parent


def parser() -> argparse.ArgumentParser:
    from distill.proof.by_labels import frozen_only, with_few_labels

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--data", required=True, metavar="ROOT", help="labelled pictures: ROOT/train, ROOT/val")
    add("--unlabelled", metavar="DIR", help="to distil on (default: those trained on, without labels)")
    add("--teacher", required=True, metavar="FILE_OR_NAME")
    add("--student", required=True, metavar="NAME")
    add("--method", metavar="NAME", help="of tools/distill.py (default: its own)")
    add("--distilled", nargs="+", metavar="FILE", help="students that are there already: one, or one a seed")
    add("--supervised", metavar="FILE_OR_NAME", help="weights of the student, trained on labels")
    add("--without-teacher", action="store_true", help="do not measure it (a detector of it may take long)")
    add("--seeds", default="0,1,2,3,4", metavar="A,B", help="two at least (default 0,1,2,3,4)")
    add("--labels", metavar="A,B", help="shares of them (default 1%%,10%%,100%%)")
    add("--protocols", metavar="A,B",
        help=f"of {', '.join(with_few_labels())} (default {frozen_only()})")  # fmt: skip
    add("--benchmark", metavar="NAME", help="of tools/run_transfer.sh: boxes or masks, in place of classes")
    add("--transfer-options", metavar="'OPTIONS'",
        help="more options of tools/run_transfer.sh, as one word: '--max-steps 500'")  # fmt: skip
    add("--image-size", type=int, default=224)
    add("--workers", type=int, default=2, help="data loading processes (default 2)")
    add("--allow-copies", action="store_true", help="name test pictures that are trained on, and go on")
    add("--out", required=True, metavar="DIR")
    add("--traceback", action="store_true", help="show the traceback of an expected error")
    add("distill", nargs="*", metavar="-- OPTIONS", help="more options of tools/distill.py")
    return parser


def check(args: argparse.Namespace) -> list[int]:
    """The seeds; raises UserError for what cannot be."""
    seeds = args.seeds.split(",")
    if not all(seed.isdecimal() for seed in seeds) or len(set(seeds)) != len(seeds) or len(seeds) < 2:
        raise UserError(f"--seeds {args.seeds}: valid: two or more different whole numbers, 0,1,2")
    if args.method and args.distilled:
        raise UserError("--distilled names students that are there: leave out --method")
    if args.distilled and len(args.distilled) not in (1, len(seeds)):
        raise UserError(
            f"--distilled has {len(args.distilled)} files for {len(seeds)} seeds; valid: 1 or as many"
        )
    if args.benchmark and (args.labels or args.protocols):
        raise UserError("--labels and --protocols are for classes: leave them out with --benchmark")
    if args.transfer_options and not args.benchmark:
        raise UserError("--transfer-options needs --benchmark")
    return list(map(int, seeds))


def measurement_of(args: argparse.Namespace):
    """How starts are measured: see ``distill.proof.measurement``."""
    out = Path(args.out)
    if args.benchmark:
        from transfer.proof import ByBenchmark

        options = shlex.split(args.transfer_options or "")
        return ByBenchmark(args.benchmark, args.data, args.student, args.teacher, options, out)
    from distill.proof.by_labels import ByLabels, frozen_only

    shares = list(dict.fromkeys((args.labels or "1%,10%,100%").split(",")))
    protocols = list(dict.fromkeys((args.protocols or frozen_only()).split(",")))
    return ByLabels(args.data, args.student, shares, protocols, args.image_size, args.workers, out)


def unlabelled_folder(args: argparse.Namespace) -> Path:
    """What is distilled on. A benchmark's training pictures may lie beside others: links name them alone."""
    if args.unlabelled:
        return Path(args.unlabelled)
    return Path(args.out) / "pictures" if args.benchmark else Path(args.data) / "train"


def link_pictures(files: list[Path], folder: Path) -> None:
    """Links to pictures, in their order, in a folder of their own."""
    folder.mkdir(exist_ok=True)
    for number, file in enumerate(files):
        link = folder / f"{number:06d}_{file.name}"
        if not link.is_symlink():
            link.symlink_to(file.resolve())


def distil_command(args: argparse.Namespace, seed: int) -> list[str]:
    """The call of tools/distill.py for one seed."""
    return [
        sys.executable, str(TOOLS / "distill.py"), "--method", args.method,
        "--data", str(unlabelled_folder(args)), "--student", args.student,
        "--teacher", args.teacher, "--image-size", str(args.image_size), "--workers", str(args.workers),
        "--seed", str(seed), "--work-dir", str(run_of(args, seed)), "--resume", *args.distill,
    ]  # fmt: skip


def run_of(args: argparse.Namespace, seed: int) -> Path:
    """The folder of a seed's distillation."""
    return Path(args.out) / "distilled" / f"seed_{seed}"


def starts_of(args: argparse.Namespace, number: int, seed: int) -> dict[str, str | None]:
    """Start -> file or name of its weights, None for random ones, for the ``number``-th seed."""
    given = args.distilled or ()
    own = given[number % len(given)] if given else str(run_of(args, seed) / "last.pth")
    supervised = {"supervised": args.supervised} if args.supervised else {}
    teacher = {} if args.without_teacher else {"teacher": args.teacher}
    return {"distilled": own, "random": None, **supervised, **teacher}


def check_plan(args: argparse.Namespace, pictures: dict[str, str]) -> None:
    """Keeps in OUT what shapes the figures; raises UserError where figures of something else are there.

    Seeds may be added later.
    """
    from distill.checkpoints import file_sha256

    plan = {
        key: value
        for key, value in vars(args).items()
        if key not in ("seeds", "allow_copies", "out", "workers")
    }
    files = [args.teacher, args.supervised, *(args.distilled or ())]
    contents = {file: file_sha256(file) for file in files if file and Path(file).is_file()}
    plan = json.loads(json.dumps(plan | {"pictures": pictures, "weights": contents}))
    file = Path(args.out) / "plan.json"
    if not file.exists():
        write_json(file, plan)
        return
    before = json.loads(file.read_text())
    if other := [key for key in plan if plan[key] != before.get(key)]:
        raise UserError(
            f"{file.parent} holds figures of other {' and '.join(other)}; give another --out, or remove it"
        )


def about(args: argparse.Namespace, seeds: int, distilled_on: int, how: list[str]) -> list[str]:
    """How it was measured, and what the intervals cover."""
    made = f"given as {', '.join(args.distilled)}" if args.distilled else (
        f"{args.method} on the {distilled_on:,} pictures of {args.unlabelled or 'train'}"
    )
    distillation = "not the distillation" if args.distilled else "and the distillation"
    return [
        f"{args.student}, distilled from {args.teacher}: {made}.",
        *how,
        f"The intervals are over {seeds} seeds, which also vary the random start, {distillation}. They are "
        "not over other test pictures.",
    ]


def main() -> None:
    args = parser().parse_args()
    seeds = check(args)
    from distill.data.image_files import open_images
    from distill.engine.recipe import DEFAULT_METHOD
    from distill.engine.start import held
    from distill.proof.leaks import check_leaks
    from distill.proof.page import Proof, as_html, as_markdown
    from distill.proof.verdict import compare

    if not args.distilled:
        args.method = args.method or DEFAULT_METHOD
    out = Path(args.out)
    measurement = measurement_of(args)
    test, trained = measurement.test, {"train": measurement.train}
    if args.unlabelled:
        trained["unlabelled"] = open_images(args.unlabelled)
    fingerprints = {name: images.fingerprint for name, images in {"val": test, **trained}.items()}
    out.mkdir(parents=True, exist_ok=True)
    with held(args.out), kept(lambda: f"what is done is kept in {out}, the same command goes on", out):
        check_plan(args, fingerprints)
        copies = check_leaks(test, trained, out, args.allow_copies)
        commands = [distil_command(args, seed) for seed in seeds] if args.method else []
        if commands and args.benchmark and not args.unlabelled:
            link_pictures(list(map(Path, measurement.train.files)), unlabelled_folder(args))
        for seed, command in zip(seeds, commands, strict=False):
            if not (finished := run_of(args, seed) / "trained").exists():
                print(f"[distil: seed {seed}] its output is in {out / 'log.txt'}", flush=True)
                call_logged(command, out / "log.txt")
                finished.touch()
        starts = {seed: starts_of(args, number, seed) for number, seed in enumerate(seeds)}
        for seed in seeds:
            measurement.measure(seed, starts[seed])
            commands += measurement.commands(seed, starts[seed])
        values = measurement.values(seeds, list(starts[seeds[0]]))
        distilled_on = len(trained.get("unlabelled", measurement.train))
        lines = about(args, len(seeds), distilled_on, measurement.about)
        commands.append([sys.executable, *sys.argv])
        shown = [shlex.join(command) for command in commands]
        proof = Proof(values, compare(values, len(test)), len(test), copies, lines, shown, measurement.metric)
        write_text(out / "proof.md", as_markdown(proof))
        write_text(out / "proof.html", as_html(proof))
    print(f"\n{proof.verdict}\n{out / 'proof.html'}\n{out / 'proof.md'}")


if __name__ == "__main__":
    run_cli(main)
