"""HTML of what stands behind the numbers: each row's command and settings, each run's curve and manifest."""

import json
from pathlib import Path

from distill.report import curves, svg
from distill.report.content import Content
from distill.report.markup import HEADING, code, cut, figure, fold, table
from distill.report.runs import Run, run_folder
from distill.report.tasks import Tasks
from distill.results.protocol import Protocol

LONG = 4000  # letters


def training(content: Content) -> str:
    """What each network costs and how it was trained; then a loss curve a run, with manifest and config."""
    runs = f'<div class="runs">{"".join(map(_run, content.runs))}</div>'
    none = '<p class="soft">No run folder was given or found beside the checkpoints.</p>'
    return _costs(content) + (runs if content.runs else none)


def _costs(content: Content) -> str:
    head = ["Model", "Backbone", "Params (M)", "GMACs", "Epochs", "Teacher", "Minutes an epoch"]
    lines = [
        [
            f"{model.label} ({model.init})", model.backbone, origin.told("params"), origin.told("gmacs"),
            origin.epochs, svg.clip(origin.teacher, HEADING), origin.told("minutes"),
        ]
        for model, origin in content.origins.items()
    ]  # fmt: skip
    if not lines:
        return ""
    note = (
        '<p class="soft">Minutes an epoch: steps an epoch times the logged seconds a step, data loading '
        "included, on the machine that the run's manifest names.</p>"
    )
    return table(head, lines, "What the networks cost and how they were trained") + note


def _run(run: Run) -> str:
    folder = run.folder.name or str(run.folder)
    name = svg.clip(f"{run.label} ({folder})" if run.label not in ("", folder) else folder, HEADING)
    manifest = run.manifest
    if run.curve:
        first, last = run.curve[0][1], run.curve[-1][1]
        series = curves.Series(name, [(step, loss, 0) for step, loss in run.curve])
        chart = curves.lines([series], f"Loss of {name}", "step", "loss")
        caption = f"Loss {first:.4g} to {last:.4g}, run {name}."
        data = manifest.get("data")
        root = data.get("root", "") if isinstance(data, dict) else ""
        picture = figure(chart, caption, svg.clip(root or "unknown", HEADING), [manifest])
    else:
        picture = '<p class="soft">No loss was logged.</p>'
    facts = {key: value for key, value in manifest.items() if key not in ("config", "command")}
    parts = (manifest.get("command", ""), json.dumps(facts, indent=2), manifest.get("config", ""))
    details = fold("Command, manifest, config", "".join(map(code, parts))) if manifest else ""
    return f'<div id="{_anchor(run.folder)}"><h3>{cut(name)}</h3>{picture}{details}</div>'


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
    about = f"{svg.clip(row['label'], HEADING)} ({row['init']}, {row['backbone']}), {seeds}"
    title = f"{svg.clip(task.title, HEADING)}: {about}"
    folder = run_folder(row)
    origin = (
        f'<p><a href="#{_anchor(folder)}">The run behind this checkpoint and its manifest</a></p>'
        if folder
        else ""
    )
    facts = {key: value for key, value in row.items() if key not in ("command", "metrics")}
    if len(json.dumps(row.get("details", {}))) > LONG:
        facts["details"] = f"too long for this place: {', '.join(row['details'])}"
    summary = f'{cut(title, 4 * HEADING)}<small class="soft"> {cut(values, 2 * HEADING)}</small>'
    content = f"{code(row.get('command', ''))}{origin}{code(json.dumps(facts, indent=2))}"
    return f"<details><summary>{summary}</summary>{content}</details>"


def _anchor(folder: Path) -> str:
    return "run-" + "".join(c if c.isalnum() else "-" for c in str(folder.resolve()))
