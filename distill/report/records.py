"""HTML of what stands behind the numbers: each row's command and settings, each run's curve and manifest."""

import json
from html import escape
from pathlib import Path

from distill.report import charts
from distill.report.runs import Run, run_folder
from distill.report.tasks import Tasks
from distill.results.protocol import Protocol


def training(runs: list[Run]) -> str:
    """A loss curve a run, with command, manifest and config to unfold."""
    if not runs:
        return '<p class="soft">No run folder was given or found beside the checkpoints.</p>'
    return f'<div class="runs">{"".join(map(_run, runs))}</div>'


def _run(run: Run) -> str:
    name = run.folder.name or str(run.folder)
    picture, details = '<p class="soft">No loss was logged.</p>', ""
    if run.curve:
        first, last = run.curve[0][1], run.curve[-1][1]
        picture = f'{charts.curve(run.curve, name)}<p class="soft">Loss {first:.4g} to {last:.4g}</p>'
    if run.manifest:
        facts = {key: value for key, value in run.manifest.items() if key not in ("config", "command")}
        parts = (run.manifest.get("command", ""), json.dumps(facts, indent=2), run.manifest.get("config", ""))
        details = (
            f"<details><summary>Command, manifest, config</summary>{''.join(map(_code, parts))}</details>"
        )
    return f'<div id="{_anchor(run.folder)}"><h3>{escape(name)}</h3>{picture}{details}</div>'


def every_row(rows: list[dict], superseded: int) -> str:
    """One line a row, which unfolds to its exact command, checkpoint, versions and settings."""
    older = f"{superseded} older measurements of the same thing are left out. " if superseded else ""
    intro = (
        f'<p class="soft">{older}Unfold a row for its exact command, checkpoint, versions and settings.</p>'
    )
    tasks = Tasks()
    return intro + "".join(_row(row, tasks.of(row)) for row in rows)


def _row(row: dict, task: Protocol) -> str:
    values = ", ".join(f"{task.read_as(name)} {value:.2f}" for name, value in row["metrics"].items())
    seeds = f"seed {row['seed']}"
    if "training_seed" in row:
        seeds = f"training seed {row['training_seed']}, {seeds}"
    title = f"{task.title}: {row['label']} ({row['init']}, {row['backbone']}), {seeds}"
    folder = run_folder(row)
    origin = (
        f'<p><a href="#{_anchor(folder)}">The run behind this checkpoint and its manifest</a></p>'
        if folder
        else ""
    )
    facts = {key: value for key, value in row.items() if key not in ("command", "metrics")}
    return (
        f'<details><summary>{escape(title)}<small class="soft"> {escape(values)}</small></summary>'
        f"{_code(row.get('command', ''))}{origin}{_code(json.dumps(facts, indent=2))}</details>"
    )


def _code(text: object) -> str:
    return f"<pre>{escape(str(text))}</pre>" if text else ""


def _anchor(folder: Path) -> str:
    return "run-" + "".join(c if c.isalnum() else "-" for c in str(folder.resolve()))
