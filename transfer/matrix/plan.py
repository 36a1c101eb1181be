"""The plan: every benchmark from every start, checked before anything trains."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distill import results
from distill.engine.options import parse_options
from distill.errors import UserError
from transfer.benchmark import Benchmark
from transfer.datasets.find import Data, find_data
from transfer.datasets.own import check_own
from transfer.frameworks import FRAMEWORKS
from transfer.jobs.initial import Initial, read_initials
from transfer.jobs.job import Job, Run, make_run
from transfer.jobs.queue import Place
from transfer.matrix.choices import ALL, choose_benchmarks, choose_places, parse_seeds, parse_split_size

SMOKE_STEPS = 10  # of every run of `all --smoke`, which shows that the whole matrix works


@dataclass(frozen=True)
class Cell:
    """One benchmark from one start.

    Attributes:
        runs: one for each seed; none if they cannot be made, with the reason in ``problem``.
        rows: seed -> row, for the seeds that have one.
    """

    benchmark: Benchmark
    initial: Initial
    seeds: tuple[int, ...]
    runs: tuple[Run, ...] = ()
    rows: dict[int, dict] = field(default_factory=dict)
    problem: str = ""

    @property
    def name(self) -> str:
        return f"{self.benchmark.name} {self.initial.label}"

    @property
    def waiting(self) -> list[Run]:
        """The runs without a row."""
        return [run for run in self.runs if run.job.seed not in self.rows]


@dataclass(frozen=True)
class Plan:
    """All cells, benchmark by benchmark.

    Attributes:
        left_out: reason -> names of the benchmarks that cannot run here.
        places: where jobs run side by side, one job at a time on each.
    """

    cells: tuple[Cell, ...]
    left_out: dict[str, list[str]]
    places: tuple[Place, ...]
    work_dir: Path

    @property
    def results(self) -> Path:
        return self.work_dir / "results.jsonl"

    @property
    def waiting(self) -> list[tuple[Cell, Run]]:
        return [(cell, run) for cell in self.cells for run in cell.waiting]


def make_plan(options: argparse.Namespace) -> Plan:
    """The plan of a command line of ``tools/run_transfer.sh``.

    Files that are made from the data (splits) are written here, so that jobs side by side only read them.

    Raises:
        UserError: a wrong choice, a start whose weights are not there, or nothing that can run.
    """
    chosen = []
    for benchmark in choose_benchmarks(options):
        seeds = parse_seeds(options.seeds, benchmark.seeds, options.seed)
        chosen.append((benchmark, seeds, _split_size(benchmark, options)))
    alone = options.benchmark != ALL
    places = choose_places(options.gpus, options.gpus_per_job, alone)
    cfg_options = parse_options(options.cfg_options)
    inits = options.init or (["distilled"] if alone else ["distilled", "random"])
    initials = read_initials(options.checkpoint, inits, options.label, options.arch)
    work_dir = Path(options.work_dir)
    root = options.data_root or (_write_demo(work_dir) if options.smoke else "data")
    classes = tuple(options.classes) if options.classes else None
    rows = results.read(work_dir / "results.jsonl")
    cells, left_out = [], {}
    for benchmark, seeds, split_size in chosen:
        try:
            FRAMEWORKS[benchmark.framework].check_installed(wanted_by=benchmark.name)
            if not alone and not options.benchmarks:
                check_own(benchmark.data, root)
            splits = work_dir / benchmark.name / "splits"
            data = find_data(benchmark.data, root, classes, split_size, splits, options.strict)
        except UserError as error:
            left_out.setdefault(str(error), []).append(benchmark.name)
            continue
        for initial in initials:
            jobs = make_jobs(benchmark, options, cfg_options, initial, data, seeds, len(places[0]))
            cells.append(make_cell(benchmark, initial, jobs, rows))
    if all(cell.problem for cell in cells):
        problems = dict.fromkeys([*left_out, *(cell.problem for cell in cells)])
        raise UserError(f"{'' if alone else 'nothing can run: '}{'; '.join(problems)}")
    return Plan(tuple(cells), left_out, tuple(places), work_dir)


def _split_size(benchmark: Benchmark, options: argparse.Namespace) -> int | None:
    """``--split-size`` for this benchmark; with ``all`` it applies to those that have splits."""
    other = options.benchmark == ALL and benchmark.split_size is None
    return parse_split_size(None if other else options.split_size, benchmark)


def make_jobs(
    benchmark: Benchmark,
    options: argparse.Namespace,
    cfg_options: dict,
    initial: Initial,
    data: Data,
    seeds: Sequence[int],
    gpus: int,
) -> list[Job]:
    """One job a seed, each in a folder of its own."""
    folder = Path(options.work_dir).resolve() / benchmark.name / initial.folder_name
    # On a CPU the training itself takes every core.
    workers = (2 if gpus else 0) if options.workers is None else options.workers
    quick = SMOKE_STEPS if options.smoke and options.benchmark == ALL else None
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
            max_steps=options.max_steps or quick,
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


def make_cell(benchmark: Benchmark, initial: Initial, jobs: Sequence[Job], rows: Sequence[dict]) -> Cell:
    """Fills the configs of a cell's jobs; an error is kept in the cell, so that other cells can run."""
    seeds = tuple(job.seed for job in jobs)
    try:
        runs = tuple(make_run(job, FRAMEWORKS[job.framework].part("fill").fill) for job in jobs)
        known = {run.job.seed: row for run in runs if (row := find_row(run, rows))}
        for run in runs:
            if run.job.seed not in known:
                run.check_folder()
    except UserError as error:
        return Cell(benchmark, initial, seeds, problem=str(error))
    return Cell(benchmark, initial, seeds, runs, known)


def find_row(run: Run, rows: Sequence[dict]) -> dict | None:
    """The row of a run with the same start, seed and settings."""
    job, initial = run.job, run.job.initial
    known = results.find(rows, task=job.benchmark, label=initial.label, init=initial.init, seed=job.seed)
    for row in known:
        if {key: row["settings"].get(key) for key in run.settings} == run.settings and row["metrics"]:
            return row
    return None


def _write_demo(work_dir: Path) -> str:
    from distill.demo.world import write_demo

    return str(write_demo(work_dir / "demo_data"))
