"""``python -m transfer.run BENCHMARK CHECKPOINT``: fine-tunes a backbone and measures it, seed by seed."""

import argparse
import re
import statistics
from pathlib import Path

from distill import results
from distill.engine.options import parse_options
from distill.errors import UserError, run_cli
from transfer.benchmark import Benchmark, benchmarks, find_benchmark
from transfer.datasets.find import Data, find_data
from transfer.frameworks import FRAMEWORKS, Framework
from transfer.jobs.initial import Initial, read_initial
from transfer.jobs.job import Job, Run, make_run
from transfer.jobs.launch import launch


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line of ``tools/run_transfer.sh``."""
    parser = argparse.ArgumentParser(
        prog="run_transfer.sh",
        description="Fine-tunes a backbone on a benchmark and appends one row a seed to results.jsonl. "
        "The papers' settings are the default; an interrupted run continues when started again.",
    )
    add = parser.add_argument
    add("benchmark", metavar="BENCHMARK", help=", ".join(benchmarks()))
    add("checkpoint", metavar="CHECKPOINT", help="weights; with --init random also a model name")
    add("--init", default="distilled", metavar="{distilled,random,FILE}", help="where the weights come from")
    add("--data-root", help="folder of the data (default: data; with --smoke the embedded demo data)")
    add("--seeds", nargs="+", type=int, metavar="N", help="how many, or which (default: the benchmark's)")
    add("--gpus", type=int, help="GPUs to train on, 0 for the CPU (default: all there are)")
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
    add("--label", help="name of the rows in reports (default: the checkpoint's)")
    add("--workers", type=int, help="data-loading processes a GPU (default: 2; 0 on the CPU)")
    add("--cfg-options", nargs="+", metavar="KEY=VALUE", default=[],
        help="any setting of the benchmark's config, applied last")  # fmt: skip
    add("--traceback", action="store_true", help="show where an error came from")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Runs every seed that has no row yet; raises UserError at the first that fails."""
    options = parse_arguments(argv)
    benchmark = find_benchmark(options.benchmark)
    benchmark = benchmark.for_smoke() if options.smoke else benchmark
    framework = FRAMEWORKS[benchmark.framework]
    framework.check_installed(wanted_by=benchmark.name)
    split_size = parse_split_size(options.split_size, benchmark)
    cfg_options = parse_options(options.cfg_options)
    gpus = _count_gpus(options.gpus)
    seeds = parse_seeds(options.seeds, benchmark.seeds)
    initial = read_initial(options.checkpoint, options.init, options.label, options.arch)
    work_dir = Path(options.work_dir)
    root = options.data_root or (_write_demo(work_dir) if options.smoke else "data")
    classes = tuple(options.classes) if options.classes else None
    data = find_data(benchmark.data, root, classes, split_size, work_dir / benchmark.name / "splits")
    jobs = make_jobs(benchmark, options, cfg_options, initial, data, seeds, gpus)
    runs = [make_run(job, framework.part("fill").fill) for job in jobs]
    print("\n".join(_opening(benchmark, framework, runs[0])), flush=True)
    rows = [run_seed(run, benchmark, work_dir / "results.jsonl") for run in runs]
    print(summary(rows))
    print(f"results: {work_dir / 'results.jsonl'}")


def _opening(benchmark: Benchmark, framework: Framework, run: Run) -> list[str]:
    """What is about to run, for the person watching."""
    job, filled = run.job, run.filled
    where = f"{job.gpus} GPU{'s' if job.gpus > 1 else ''}" if job.gpus else "CPU"
    initial, data = job.initial, job.data
    frozen = ", ".join(filled.frozen) or "nothing"
    return [
        f"{benchmark.name}: {framework.title}, {where}; {initial.init} {initial.arch} "
        f"({initial.weights or 'no checkpoint'})",
        f"settings:        {benchmark.source}",
        f"data:            {data.root}: {data.train_images} training images, {len(data.classes)} classes",
        *filled.lines,
        f"schedule, final: {filled.schedule}",
        f"frozen:          {frozen if initial.weights else f'{frozen} (random weights)'}",
    ]


def make_jobs(
    benchmark: Benchmark,
    options: argparse.Namespace,
    cfg_options: dict,
    initial: Initial,
    data: Data,
    seeds: list[int],
    gpus: int,
) -> list[Job]:
    """One job a seed, each in a folder of its own."""
    folder = Path(options.work_dir).resolve() / benchmark.name / re.sub(r"[^\w.-]+", "_", initial.label)
    # On a CPU the training itself takes every core.
    workers = (2 if gpus else 0) if options.workers is None else options.workers
    return [
        Job(
            benchmark=benchmark.name,
            framework=benchmark.framework,
            config=str(benchmark.config),
            smoke=str(benchmark.smoke_config) if options.smoke else "",
            options=cfg_options,
            data=data,
            initial=initial,
            batch=options.batch_size,
            max_steps=options.max_steps,
            image_size=options.image_size,
            crop_size=tuple(options.crop_size) if options.crop_size else None,
            output_stride=options.output_stride,
            seed=seed,
            gpus=gpus,
            workers=workers,
            folder=str(folder / f"seed_{seed}"),
        )
        for seed in seeds
    ]


def parse_split_size(text: str | None, benchmark: Benchmark) -> int | None:
    """Images in a low-shot split; None: no splits, every seed trains on all images."""
    if text is None:
        return benchmark.split_size
    if benchmark.split_size is None:
        having = ", ".join(name for name, other in benchmarks().items() if other.split_size)
        raise UserError(f"--split-size: {benchmark.name} has no splits; {having} have")
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"--split-size {text}: give a number of images, or all")
    return int(text)


def parse_seeds(given: list[int] | None, count: int) -> list[int]:
    """``None`` -> 0 .. count-1, ``[5]`` -> 0 .. 4, ``[3, 7]`` -> those."""
    if given and len(given) > 1:
        if min(given) < 0 or len(set(given)) < len(given):
            raise UserError(f"--seeds {' '.join(map(str, given))}: seeds are different numbers from 0 on")
        return given
    count = given[0] if given else count
    if count < 1:
        raise UserError(f"--seeds {count}: give how many seeds, at least 1, or a list of seeds")
    return list(range(count))


def run_seed(run: Run, benchmark: Benchmark, path: Path) -> dict:
    """The row of one seed: the one already there, or that of a run made now and appended."""
    job, initial = run.job, run.job.initial
    known = results.find(
        results.read(path), task=job.benchmark, label=initial.label, init=initial.init, seed=job.seed
    )
    for row in known:
        if {key: row["settings"].get(key) for key in run.settings} == run.settings:
            print(f"seed {job.seed}: skipped, {path} has its row of {row['time']}: {_told(row)}", flush=True)
            return row
    print(f"seed {job.seed}: {job.folder}", flush=True)
    outcome = launch(run)
    row = results.make_row(
        task=job.benchmark,
        label=initial.label,
        init=initial.init,
        backbone=initial.arch,
        seed=job.seed,
        metrics=outcome["metrics"],
        checkpoint=initial.weights or f"random:{initial.arch}",
        sha256=initial.sha256,
        settings={**run.settings, "resumed_from": outcome["resumed_from"]},
        seconds=outcome["seconds"],
        training_seed=initial.training_seed,
        title=benchmark.title,
        kind="transfer",
        headline=benchmark.headline,
    )
    row["versions"] |= FRAMEWORKS[job.framework].versions()
    results.append(path, row)
    print(f"seed {job.seed}: {_told(row)} in {row['seconds']:.0f} s", flush=True)
    return row


def _told(row: dict) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in row["metrics"].items())


def summary(rows: list[dict]) -> str:
    """Mean and sample standard deviation of every metric over the seeds."""
    first = rows[0]
    told = []
    for name in first["metrics"]:
        values = [row["metrics"][name] for row in rows]
        spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        told.append(f"{name} {statistics.fmean(values):.2f}{spread}")
    seeds = f"{len(rows)} seed{'s' if len(rows) > 1 else ''}"
    return f"{first['task']}, {first['label']} ({first['init']}), {seeds}: {', '.join(told)}"


def _count_gpus(wanted: int | None) -> int:
    import torch

    there = torch.cuda.device_count()
    if wanted is None:
        return there
    if not 0 <= wanted <= there:
        raise UserError(f"--gpus {wanted}: this machine has {there}; 0 trains on the CPU")
    return wanted


def _write_demo(work_dir: Path) -> str:
    from distill.demo.world import write_demo

    return str(write_demo(work_dir / "demo_data"))


if __name__ == "__main__":
    run_cli(main)
