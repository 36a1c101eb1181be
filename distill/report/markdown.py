"""The same tables as Markdown, to paste into a note or a pull request."""

import re

from distill.report.blocks import Block, Model
from distill.report.content import Content
from distill.report.placed import placed
from distill.report.published import Table, tables
from distill.report.shown import HEAD, sentence, shown
from distill.report.sweeps import Sweep

INTRO = (
    "Percent; ± is the sample standard deviation over the seeds of training and measurement; in brackets the "
    "difference to random weights of the same backbone."
)


def markdown(content: Content) -> str:
    """The papers' tables in which ours stand, then one table a task, data and settings, then the sweeps."""
    judged, single = shown(content.blocks)
    parts = ["# Distillation report", *filter(None, [sentence(judged, single)])]
    if judged:
        parts.append(grid(HEAD, [each.cells for each in judged]))
    parts.append(INTRO)
    if content.superseded:
        parts.append(f"{content.superseded} older measurements of the same thing are left out.")
    ours = (placed(table, content.blocks, content.origins) for table in tables())
    parts += map(_published, filter(None, ours))
    parts += map(_table, content.blocks)
    parts += map(_sweep, content.sweeps)
    return "\n\n".join(parts) + "\n"


def quoted(text: object) -> str:
    r"""Text that Markdown shows as it is: no HTML, no emphasis, no link, no end of a cell or a line.

    An underscore within a word means nothing to Markdown and stays.

    >>> quoted("my_run <b>*1*</b>")
    'my_run &lt;b&gt;\\*1\\*&lt;/b&gt;'
    """
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"[\\`*\[\]{}|~#!]", r"\\\g<0>", line)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\_", line)


def _table(block: Block) -> str:
    head = ["metric", *(f"{m.init}: {m.label} ({m.backbone}, {block.seeds[m]})" for m in block.models)]
    lines = [
        [block.task.read_as(metric), *(_cell(block, metric, m) for m in block.models)]
        for metric in block.metrics
    ]
    about = f"Data: {block.data or 'unknown'}. {block.notes}"
    return f"## {quoted(block.task.title)}\n\n{quoted(about)}\n\n{grid(head, lines)}"


def _cell(block: Block, metric: str, model: Model) -> str:
    cell, gain = block.cells.get((metric, model)), block.gain(metric, model)
    if cell is None:
        return ""
    return f"{cell}" + (f" ({gain:+.1f})" if gain is not None else "")


def _published(table: Table) -> str:
    head = [heading for heading, _ in table.labels]
    head += [" ".join(filter(None, (column.group, column.name))) for column in table.columns]
    lines = []
    for group in table.groups:
        if group.title:
            lines.append([group.title] + [""] * (len(head) - 1))
        for line in group.lines:
            first, *others = line.labels
            name = f"{first} (ours: {line.note})" if line.ours else first
            lines.append([name, *others, *line.cells])
    note = f"{quoted(table.note)}\n\n" if table.note else ""
    return f"## {quoted(f'{table.source}: {table.title}')}\n\n{note}{grid(head, lines)}"


def _sweep(sweep: Sweep) -> str:
    head = [", ".join(sweep.keys), *map(sweep.task.read_as, sweep.metrics)]
    lines = [
        [", ".join(point), *(str(sweep.cells.get((metric, point), "")) for metric in sweep.metrics)]
        for point in sweep.points
    ]
    return f"## {quoted(sweep.title)}\n\n{quoted(f'Data: {sweep.data}')}\n\n{grid(head, lines)}"


def grid(head: list[str], lines: list[list[str]]) -> str:
    """Cells of any text, quoted, under a head of the same width."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(map(quoted, cells)) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, lines)])
