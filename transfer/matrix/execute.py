"""Runs a plan: its jobs side by side on the places there are, and a row for each that succeeds."""

import shlex
from contextlib import closing
from pathlib import Path

from distill import results
from distill.commands import started
from distill.errors import UserError
from transfer.frameworks import FRAMEWORKS
from transfer.jobs import launch
from transfer.jobs.job import Run
from transfer.jobs.progress import MARK
from transfer.jobs.queue import run_all
from transfer.matrix.cost import time_left
from transfer.matrix.plan import Cell, Plan
from transfer.matrix.show import metrics_of, opening, summary, table

Rows = dict[tuple[str, int], dict]  # (name of a cell, seed) -> its row


def execute(plan: Plan) -> None:
    """Makes every run that has no row yet, and prints the results of all.

    Raises:
        UserError: at the end, if a cell could not run or a run failed; the others were made.
    """
    rows: Rows = {}
    for cell in plan.cells:
        for seed, row in cell.rows.items():
            rows[cell.name, seed] = row
            say(f"{cell.name} seed {seed}: skipped, its row is of {row['time']}: {metrics_of(row)}")
    failures = {cell.name: f"{cell.name}: {cell.problem}" for cell in plan.cells if cell.problem}
    failures |= _make_runs(plan, rows)
    _conclude(plan, rows)
    if len(failures) == 1:
        raise UserError(*failures.values())
    if failures:
        raise UserError(f"{len(failures)} failed, for the reasons above: {', '.join(failures)}")


def _make_runs(plan: Plan, rows: Rows) -> dict[str, str]:
    """Adds a row for each run that succeeds; returns name -> error of the others."""
    runs, failures, opened = {}, {}, set()
    for cell, run in plan.waiting:
        if outcome := launch.result(run):  # the tool was killed before it wrote the row
            rows[cell.name, run.job.seed] = add_row(cell, run, outcome, plan.results)
        else:
            runs[f"{cell.name} seed {run.job.seed}"] = cell, run
    for _, run in runs.values():  # now: a folder that is removed later is not made again
        run.folder.mkdir(parents=True, exist_ok=True)
    tasks = (launch.task(name, run) for name, (_, run) in runs.items())
    left = {name: run for name, (_, run) in runs.items()}
    with closing(run_all(tasks, plan.places)) as events:
        for event, process, *line in events:
            name = process.task.name
            cell, run = runs[name]
            if event == "start":
                say(*([] if cell.name in opened else opening(cell)), f"{name}: {run.folder}")
                opened.add(cell.name)
            elif event == "line":
                _pass_on(line[0], name if len(plan.places) > 1 else "")
            else:
                del left[name]
                try:
                    row = add_row(cell, run, launch.outcome(run, process), plan.results)
                except UserError as error:
                    failures[name] = str(error)
                    say(f"failed: {error}")
                else:
                    rows[cell.name, run.job.seed] = row
                    say(f"{name}: {metrics_of(row)} in {row['seconds']:.0f} s")
                if left:
                    time = time_left(list(left.values()), results.read(plan.results), len(plan.places))
                    say(f"{len(runs) - len(left)} of {len(runs)} runs done; time left: {time}")
    return failures


def _pass_on(line: str, name: str) -> None:
    """Shows a progress line of a job; the rest of its output stays in its log."""
    if line.startswith(MARK):
        say(f"  {f'{name}: ' if name else ''}{line.removeprefix(MARK)}")


def add_row(cell: Cell, run: Run, outcome: dict, path: Path) -> dict:
    """Appends the row of a finished run to ``results.jsonl``, and returns it."""
    job, initial, benchmark = run.job, run.job.initial, cell.benchmark
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
        details={"test_images": job.data.test_images},
    )
    row["versions"] |= FRAMEWORKS[job.framework].versions()
    results.append(path, row)
    return row


def _conclude(plan: Plan, rows: Rows) -> None:
    """All metrics of each cell, the table, and the command that makes a report."""
    for cell in plan.cells:
        if found := [rows[cell.name, seed] for seed in cell.seeds if (cell.name, seed) in rows]:
            say(summary(found))
    if len(plan.cells) > 1:
        say("", *table(plan, rows), "")
    say(f"results: {plan.results}")
    report = [*started("report"), str(plan.results), "--out", str(plan.work_dir / "report")]
    say(f"report:  {shlex.join(report)}")


def say(*lines: str) -> None:
    """Prints lines at once, also into a pipe."""
    print(*lines, sep="\n", flush=True)
