"""The text that is printed: the plan, what each cell starts with, and the results."""

import statistics
from collections.abc import Mapping, Sequence

from distill import results
from transfer.frameworks import FRAMEWORKS
from transfer.matrix.cost import expected_seconds, time_left
from transfer.matrix.plan import Cell, Plan


def plan_lines(plan: Plan, disk: str) -> list[str]:
    """The plan: what is left out and why, a line for each cell, time and disk."""
    rows = results.read(plan.results)
    runs = [run for _, run in plan.waiting]
    wanted = sum(len(cell.seeds) for cell in plan.cells)
    table = [("benchmark", "start", "seeds", "steps", "already there", "time a run")]
    table += [_cell_fields(cell, rows) for cell in plan.cells]
    return [
        *(f"left out: {', '.join(names)}: {reason}" for reason, names in plan.left_out.items()),
        *(f"defects: {', '.join(names)}: {line}" for line, names in _defects(plan).items()),
        f"plan: {counted(wanted, 'run')} in {counted(len(plan.cells), 'cell')}, {len(runs)} to make, "
        f"{_where(plan)}",
        *_aligned(table),
        *(f"cannot run: {cell.name}: {cell.problem}" for cell in plan.cells if cell.problem),
        f"time: {time_left(runs, rows, len(plan.places))}",
        f"disk: {disk}",
    ]


def _defects(plan: Plan) -> dict[str, list[str]]:
    """What is wrong with the data -> the benchmarks that have it so."""
    found = {}
    for cell in plan.cells:
        for line in cell.runs[0].job.data.defects if cell.runs else ():
            found.setdefault(line, {})[cell.benchmark.name] = None
    return {line: list(names) for line, names in found.items()}


def _cell_fields(cell: Cell, rows: Sequence[dict]) -> tuple[str, ...]:
    start = f"{cell.initial.label} ({cell.initial.init})"
    seeds = " ".join(map(str, cell.seeds))
    if cell.problem:
        return cell.benchmark.name, start, seeds, "", "cannot run", ""
    schedule, images = cell.runs[0].filled.schedule, cell.runs[0].job.data.train_images
    begun = [run.job.seed for run in cell.waiting if run.begun]
    there = counted(len(cell.rows), "row") if cell.rows else "nothing"
    there = f"{there}, seed {' '.join(map(str, begun))} begun" if begun else there
    seconds = expected_seconds(cell.runs[0], rows)
    time = "unknown" if seconds is None else f"{seconds:.0f} s"
    return cell.benchmark.name, start, seeds, str(schedule.total_steps(images)), there, time


def _where(plan: Plan) -> str:
    gpus = len(plan.places[0])
    if not gpus:
        return "one after the other on the CPU"
    each = counted(gpus, "GPU")
    places = len(plan.places)
    return f"{places} at a time, each on {each}" if places > 1 else f"one after the other on {each}"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in table)
    return [f"  {line.rstrip()}" for line in lines]


def opening(cell: Cell) -> list[str]:
    """A cell's start, data and settings, with base, rule and final values of its schedule."""
    run, initial = cell.runs[0], cell.initial
    job, filled = run.job, run.filled
    where = counted(job.gpus, "GPU") if job.gpus else "CPU"
    frozen = ", ".join(filled.frozen) or "nothing"
    return [
        f"{job.benchmark}: {FRAMEWORKS[job.framework].title}, {where}; {initial.init} {initial.arch} "
        f"({initial.weights or 'no checkpoint'})",
        f"settings:        {cell.benchmark.source}",
        f"data:            {job.data.root}: {job.data.train_images} training images, "
        f"{job.data.test_images} to test with, {len(job.data.classes)} classes",
        *filled.lines,
        f"schedule, final: {filled.schedule}",
        f"frozen:          {frozen if initial.weights else f'{frozen} (random weights)'}",
    ]


def metrics_of(row: dict) -> str:
    """A row's metrics on one line."""
    return ", ".join(f"{name} {value:.2f}" for name, value in row["metrics"].items())


def summary(rows: Sequence[dict]) -> str:
    """Mean and sample standard deviation of every metric over the seeds."""
    first = rows[0]
    names = [name for name in first["metrics"] if all(name in row["metrics"] for row in rows)]
    told = [f"{name} {spread([row['metrics'][name] for row in rows])}" for name in names]
    seeds = counted(len(rows), "seed")
    return f"{first['task']}, {first['label']} ({first['init']}), {seeds}: {', '.join(told)}"


def table(plan: Plan, rows: Mapping[tuple[str, int], dict]) -> list[str]:
    """Benchmark x start: the headline metric, mean ± sample standard deviation over the seeds.

    Args:
        rows: (name of a cell, seed) -> row; a missing one has failed.
    """
    starts = list(dict.fromkeys(cell.initial for cell in plan.cells))
    lines = [["benchmark", "metric", *(f"{start.label} ({start.init})" for start in starts)]]
    for cell in plan.cells:
        if cell.initial == starts[0]:
            lines.append([cell.benchmark.name, cell.benchmark.headline])
        found = [rows[cell.name, seed] for seed in cell.seeds if (cell.name, seed) in rows]
        few = f" ({len(found)} of {len(cell.seeds)} seeds)" if len(found) < len(cell.seeds) else ""
        headline = cell.benchmark.headline
        values = [row["metrics"][headline] for row in found if headline in row["metrics"]]
        lines[-1].append(spread(values) + few if values else "failed")
    return _aligned(lines)


def counted(number: int, thing: str) -> str:
    """``1 seed``, ``2 seeds``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def spread(values: Sequence[float]) -> str:
    """Mean ± sample standard deviation; of one value itself alone.

    >>> spread([10.0, 12.0])
    '11.00 ± 1.41'
    """
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{deviation}"
