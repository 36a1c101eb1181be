"""``python -m transfer.run BENCHMARK CHECKPOINT``: fine-tunes a backbone and measures it, seed by seed.

Nothing heavy is imported before the command line is understood: its help must be quick.
"""

import argparse
from typing import Literal

from distill.errors import UserError, kept, run_cli
from distill.settings import Count, Number, check_setting
from transfer.benchmark import benchmarks

KINDS = {  # what options with numbers may be
    "gpus": Number, "gpus_per_job": Count, "max_steps": Count, "batch_size": Count, "image_size": Count,
    "crop_size": tuple[Count, Count], "output_stride": Literal[8, 16, 32], "workers": Number, "seed": Number,
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The command line of ``tools/run_transfer.sh``."""
    parser = argparse.ArgumentParser(
        prog="run_transfer.sh",
        description="Fine-tunes a backbone on a benchmark and appends one row a seed to results.jsonl. "
        "The papers' settings are the default; an interrupted run continues when started again.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("benchmark", metavar="BENCHMARK", help=f"{', '.join(benchmarks())}; or all, which takes those whose "
        "data is there")  # fmt: skip
    add("checkpoint", metavar="CHECKPOINT", nargs="?", help="weights, or a model's name")
    add("--init", nargs="+", metavar="START",
        help="where the weights come from: distilled (CHECKPOINT), random, supervised (timm's, or "
        "supervised=FILE), teacher (of CHECKPOINT's run, or teacher=FILE), FILE; several are compared "
        "(default: distilled; of all: distilled random)")  # fmt: skip
    add("--benchmarks", metavar="A,B", help="those that all takes (default: every one)")
    add("--dry-run", action="store_true", help="show the plan and end")
    add("--data-root", help="folder of the data (default: data; with --smoke the embedded demo data)")
    add("--strict", action="store_true",
        help="any defect of the data is an error (default: those of more than 1 %% of it)")  # fmt: skip
    add("--seeds", nargs="+", type=int, metavar="N", help="how many, or which (default: the benchmark's)")
    add("--seed", type=int, metavar="N", help="this one alone")
    add("--gpus", type=int, help="GPUs to use, 0 for the CPU (default: all there are)")
    add("--gpus-per-job", type=int, metavar="N",
        help="GPUs of one job; jobs run side by side (default: all of --gpus; of all: 1)")  # fmt: skip
    add("--work-dir", default="work_dirs/transfer", help="folder of runs and results.jsonl (%(default)s)")
    add("--smoke", action="store_true", help="a run of about a minute on two CPU cores, not the benchmark")
    add("--max-steps", type=int, help="a shorter schedule, milestones scaled along")
    add("--batch-size", type=int, help="images a step over all GPUs; lr and steps follow by the linear rule")
    add("--image-size", type=int, metavar="SIDE", help="shorter side of the pictures")
    add("--crop-size", type=int, nargs=2, metavar=("H", "W"), help="training crop of segmentation")
    add("--split-size", metavar="N|all", help="images in a low-shot split; all: no splits")
    add("--output-stride", type=int, help="of segmentation backbones: 8, 16 or 32 (default: the benchmark's)")
    add("--classes", nargs="+", metavar="NAME", help="class names (default: read from the data)")
    add("--arch", help="model name, where the checkpoint does not tell")
    add("--label", nargs="+", metavar="NAME", help="names of the rows in reports, one a start")
    add("--workers", type=int, help="data-loading processes a GPU (default: 2; 0 on the CPU)")
    add("--cfg-options", nargs="+", metavar="KEY=VALUE", default=[],
        help="any setting of the benchmark's config, applied last")  # fmt: skip
    add("--traceback", action="store_true", help="show where an error came from")
    return parser


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The options; a CHECKPOINT that follows ``--init START ...`` is told from the starts: it is the last."""
    command = parser()
    options = command.parse_intermixed_args(argv)
    if options.checkpoint is None:
        if len(options.init or ()) < 2:
            command.error("the following arguments are required: CHECKPOINT")
        *options.init, options.checkpoint = options.init
    return options


def check(options: argparse.Namespace) -> None:
    """Raises UserError for numbers out of range, and for a class that is named twice."""
    for name, kind in KINDS.items():
        if (value := getattr(options, name)) is not None:
            check_setting(f"--{name.replace('_', '-')}", value, kind)
    classes = options.classes or ()
    if twice := [name for number, name in enumerate(classes) if name in classes[:number]]:
        raise UserError(f"--classes: {twice[0]} is named twice")


def main(argv: list[str] | None = None) -> None:
    """Shows the plan, makes every run that has no row yet, and raises UserError at the end if one failed."""
    options = parse(argv)
    check(options)

    from transfer.matrix.cost import check_space
    from transfer.matrix.execute import execute
    from transfer.matrix.plan import make_plan
    from transfer.matrix.show import plan_lines

    plan = make_plan(options)
    disk = check_space([run for _, run in plan.waiting], plan.work_dir)
    print(*plan_lines(plan, disk), sep="\n", flush=True)
    if not options.dry_run:
        so_far = f"finished runs are in {plan.results}, the same command goes on with the others"
        with kept(lambda: so_far, plan.work_dir):
            execute(plan)


if __name__ == "__main__":
    run_cli(main)
