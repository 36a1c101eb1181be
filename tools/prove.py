#!/usr/bin/env python
r"""Does distillation help on my pictures? Trains, measures, compares and says so, in one sentence and a page.

  python tools/prove.py --data ROOT --teacher FILE_OR_NAME --student resnet18 --out DIR
  python tools/prove.py --data ROOT --unlabelled DIR --teacher dino.pth --student resnet18 --method seed \
      --supervised resnet18 --out DIR -- --epochs 100 --batch-size 128

ROOT/train and ROOT/val hold a folder a class. A student is distilled on the unlabelled pictures once a seed;
then the distilled, a random, the teacher's and, where it is given, a supervised start are measured alike,
with each share of the labels and each seed, frozen or fine-tuned by the protocols named. Test pictures that
are trained on as well, the same file or a near copy, are refused. After -- stands what tools/distill.py gets.

OUT gets proof.md and proof.html, results.jsonl (for tools/report.py) and the log of every command. The same
command goes on after a kill.
"""

import argparse
import json
import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill import results  # noqa: E402
from distill.commands import call_logged  # noqa: E402
from distill.errors import UserError, kept, run_cli, unknown  # noqa: E402
from distill.results.atomic import write_json, write_text  # noqa: E402
from distill.results.protocol import Protocol, declared  # noqa: E402

TOOLS = Path(__file__).resolve().parent
FEW, MORE = "1%", "10%"  # the shares of the labels for which protocols have settings


@dataclass(frozen=True)
class Cell:
    """One start with one seed; ``weights`` is a file or a name, None for random ones."""

    start: str
    seed: int
    weights: str | None

    def __str__(self) -> str:
        return f"{self.start}, seed {self.seed}"


def with_few_labels() -> dict[str, Protocol]:
    """The protocols that measure with shares of the labels."""
    needed = {f"top1_{FEW}", f"top1_{MORE}"}
    return {name: each for name, each in declared().items() if needed <= each.metrics.keys()}


def parser() -> argparse.ArgumentParser:
    known = with_few_labels()
    frozen = ",".join(name for name, protocol in known.items() if protocol.kind == "features")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--data", required=True, metavar="ROOT", help="labelled pictures: ROOT/train, ROOT/val")
    add("--unlabelled", metavar="DIR", help="to distil on (default: ROOT/train, without its labels)")
    add("--teacher", required=True, metavar="FILE_OR_NAME")
    add("--student", required=True, metavar="NAME")
    add("--method", metavar="NAME", help="of tools/distill.py (default: its own)")
    add("--distilled", nargs="+", metavar="FILE", help="students that are there already: one, or one a seed")
    add("--supervised", metavar="FILE_OR_NAME", help="weights of the student, trained on labels")
    add("--labels", default="1%,10%,100%", metavar="A,B", help="shares of them (default 1%%,10%%,100%%)")
    add("--seeds", default="0,1,2,3,4", metavar="A,B", help="two at least (default 0,1,2,3,4)")
    add("--protocols", default=frozen, metavar="A,B", help=f"of {', '.join(known)} (default {frozen})")
    add("--image-size", type=int, default=224)
    add("--workers", type=int, default=2, help="data loading processes (default 2)")
    add("--allow-copies", action="store_true", help="name test pictures that are trained on, and go on")
    add("--out", required=True, metavar="DIR")
    add("--traceback", action="store_true", help="show the traceback of an expected error")
    add("distill", nargs="*", metavar="-- OPTIONS", help="more options of tools/distill.py")
    return parser


def checked(args: argparse.Namespace) -> tuple[list[int], list[str], list[str]]:
    """The seeds, shares and protocols; raises UserError for what cannot be."""
    from distill.data.label_lists import percent_of

    seeds, shares, protocols = args.seeds.split(","), args.labels.split(","), args.protocols.split(",")
    if not all(seed.isdecimal() for seed in seeds) or len(set(seeds)) != len(seeds) or len(seeds) < 2:
        raise UserError(f"--seeds {args.seeds}: valid: two or more different whole numbers, 0,1,2")
    for share in shares:
        percent_of(share)
    known = with_few_labels()
    for name in protocols:
        if name not in known:
            raise unknown("protocol", name, known)
    if args.method and args.distilled:
        raise UserError("--distilled names students that are there: leave out --method")
    if args.distilled and len(args.distilled) not in (1, len(seeds)):
        raise UserError(
            f"--distilled has {len(args.distilled)} files for {len(seeds)} seeds; valid: 1 or as many"
        )
    return list(map(int, seeds)), list(dict.fromkeys(shares)), list(dict.fromkeys(protocols))


def distil_command(args: argparse.Namespace, seed: int) -> list[str]:
    """The call of tools/distill.py for one seed."""
    return [
        sys.executable, str(TOOLS / "distill.py"), "--method", args.method,
        "--data", args.unlabelled or f"{args.data}/train", "--student", args.student,
        "--teacher", args.teacher, "--image-size", str(args.image_size), "--workers", str(args.workers),
        "--seed", str(seed), "--work-dir", str(run_of(args, seed)), "--resume", *args.distill,
    ]  # fmt: skip


def run_of(args: argparse.Namespace, seed: int) -> Path:
    """The folder of a seed's distillation."""
    return Path(args.out) / "distilled" / f"seed_{seed}"


def cells(args: argparse.Namespace, seeds: list[int]) -> list[Cell]:
    """Every start with every seed, those of a start one after the other."""
    students = args.distilled or [str(run_of(args, seed) / "last.pth") for seed in seeds]
    weights = {"distilled": students, "random": [None]}
    if args.supervised:
        weights["supervised"] = [args.supervised]
    weights["teacher"] = [args.teacher]
    return [
        Cell(start, seed, own[number % len(own)])
        for start, own in weights.items()
        for number, seed in enumerate(seeds)
    ]


def settings(protocol: str, shares: list[str]) -> dict:
    """The protocol's own settings for 1 % of the labels up to that share, and those for 10 % above."""
    from distill.data.label_lists import percent_of
    from distill.evaluation import evaluators_by_name

    usual = vars(evaluators_by_name()[protocol]())
    nearest = {share: FEW if percent_of(share) <= percent_of(FEW) else MORE for share in shares}
    by_share = {
        name: {share: value[near] for share, near in nearest.items()}
        for name, value in usual.items()
        if isinstance(value, dict) and value.keys() == {FEW, MORE}
    }
    return {"labels": tuple(shares), **by_share}


def measure(
    args: argparse.Namespace, cell: Cell, train, val, shares: list[str], protocols: list[str]
) -> None:
    """Adds a row for each protocol that has none; all starts get the same settings and pictures."""
    from distill.backbones import Backbone
    from distill.checkpoints import random_weights, read_weights
    from distill.distributed import default_device
    from distill.evaluation import Extraction, build, evaluate

    file = Path(args.out) / "results.jsonl"
    rows = results.find(results.read(file), label=cell.start, seed=cell.seed)
    done = {row["task"] for row in rows}
    missing = [build(name, cell.seed, **settings(name, shares)) for name in protocols if name not in done]
    if not missing:
        return
    print(f"[measure: {cell}]", flush=True)
    if cell.weights is None:
        weights = random_weights(args.student, cell.seed)
    else:
        weights = read_weights(cell.weights, None if cell.start == "teacher" else args.student)
    backbone = Backbone.from_weights(weights)
    own = f"_seed_{cell.seed}" if cell.start in ("distilled", "random") else ""  # one network for all seeds
    features = Path(args.out) / "features" / f"{cell.start}{own}"
    features.parent.mkdir(exist_ok=True)
    extraction = Extraction(args.image_size, workers=args.workers)
    work_dir = Path(args.out) / "evaluation"
    found = evaluate(
        backbone.to(default_device()), train, val, missing, extraction, work_dir=work_dir, keep=features
    )
    for result in found:
        results.append(file, result.row(cell.start, cell.start, weights, cell.seed))


def values_of(rows: list[dict], found: list[Cell], shares: list[str], protocols: list[str]) -> dict:
    """Start -> (the task's word, share) -> top-1 for each seed."""
    values: dict[str, dict[tuple[str, str], list[float]]] = {}
    words = {name: each.title.removesuffix(" with few labels").lower() for name, each in declared().items()}
    for cell in found:
        for task in protocols:
            row = results.find(rows, label=cell.start, task=task, seed=cell.seed)[-1]
            for share in shares:
                own = values.setdefault(cell.start, {}).setdefault((words[task], share), [])
                own.append(row["metrics"][f"top1_{share}"])
    return values


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


def about(args: argparse.Namespace, seeds: int, counts: dict[str, int]) -> list[str]:
    """How it was measured, and what the intervals cover."""
    unlabelled = f"the {counts.get('unlabelled', counts['train']):,} pictures of {args.unlabelled or 'train'}"
    how = f"{args.method} on {unlabelled}" if args.method else f"given as {', '.join(args.distilled)}"
    distillation = "and the distillation" if args.method else "not the distillation"
    known_to = 100 * 1.96 * math.sqrt(0.25 / counts["val"])
    return [
        f"{args.student}, distilled from {args.teacher}: {how}.",
        f"Measured by {args.protocols} at {args.image_size} px, {counts['train']:,} labelled pictures in "
        f"train, {counts['val']:,} in val; all starts get the same settings.",
        f"The intervals are over {seeds} seeds, which vary which pictures have labels, the classifier's "
        f"training, the random start, {distillation}. They are not over other test pictures: a percentage "
        f"measured on {counts['val']:,} of them is itself known to about {known_to:.1f} points.",
    ]


def main() -> None:
    args = parser().parse_args()
    seeds, shares, protocols = checked(args)
    from distill.data.image_files import open_images
    from distill.data.labelled import check_same_classes, list_labelled
    from distill.engine.recipe import DEFAULT_METHOD
    from distill.engine.start import held
    from distill.proof.leaks import check_leaks
    from distill.proof.page import Proof, as_html, as_markdown
    from distill.proof.verdict import compare

    if not args.distilled:
        args.method = args.method or DEFAULT_METHOD
    out = Path(args.out)
    train, val = (list_labelled(Path(args.data) / part) for part in ("train", "val"))
    check_same_classes(train, val)
    pictures = {"train": train}
    if args.unlabelled:
        pictures["unlabelled"] = open_images(args.unlabelled)
    out.mkdir(parents=True, exist_ok=True)
    with held(args.out), kept(lambda: f"what is done is kept in {out}, the same command goes on", out):
        check_plan(
            args, {"val": val.fingerprint, **{name: each.fingerprint for name, each in pictures.items()}}
        )
        copies = check_leaks(val, pictures, out, args.allow_copies)
        commands = [distil_command(args, seed) for seed in seeds] if args.method else []
        for seed, command in zip(seeds, commands, strict=False):
            if not (trained := run_of(args, seed) / "trained").exists():
                print(f"[distil: seed {seed}] its output is in {out / 'log.txt'}", flush=True)
                call_logged(command, out / "log.txt")
                trained.touch()
        found = cells(args, seeds)
        for cell in found:
            measure(args, cell, train, val, shares, protocols)
        values = values_of(results.read(out / "results.jsonl"), found, shares, protocols)
        lines = about(
            args, len(seeds), {"val": len(val), **{name: len(each) for name, each in pictures.items()}}
        )
        commands = [shlex.join(command) for command in [*commands, [sys.executable, *sys.argv]]]
        proof = Proof(values, compare(values, len(val)), len(val), copies, lines, commands)
        write_text(out / "proof.md", as_markdown(proof))
        write_text(out / "proof.html", as_html(proof))
    print(f"\n{proof.verdict}\n{out / 'proof.html'}\n{out / 'proof.md'}")


if __name__ == "__main__":
    run_cli(main)
