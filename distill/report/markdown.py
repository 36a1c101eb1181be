"""The same tables as Markdown, to paste into a note or a pull request."""

import re

from distill.report.blocks import Block, Model
from distill.report.comparison import by_task, comparison

INTRO = (
    "Percent; ± is the sample standard deviation over the seeds of training and measurement; in brackets the "
    "difference to random weights of the same backbone."
)


def markdown(blocks: list[Block], superseded: int) -> str:
    """One table a task and its settings, then the published numbers of our students."""
    parts = ["# Distillation report", INTRO]
    if superseded:
        parts.append(f"{superseded} older measurements of the same thing are left out.")
    parts += [_table(block) for block in blocks]
    parts += filter(None, map(_published, by_task(blocks)))
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
    return f"## {quoted(block.task.title)}\n\n{quoted(about)}\n\n{_grid(head, lines)}"


def _cell(block: Block, metric: str, model: Model) -> str:
    cell, gain = block.cells.get((metric, model)), block.gain(metric, model)
    if cell is None:
        return ""
    return f"{cell}" + (f" ({gain:+.1f})" if gain is not None else "")


def _published(blocks: list[Block]) -> str:
    task = blocks[0].task
    lines, metrics = comparison(task, blocks)
    shown = [line for line in lines if line.source and line.same_student]
    if not shown:
        return ""
    head = ["method", "teacher", "student", "data", *map(task.read_as, metrics), "source"]
    rows = [
        [of.method, of.teacher, of.student, of.data, *(of.values.get(m, "") for m in metrics), of.source]
        for of in shown
    ]
    return f"## Published: {quoted(task.title)}\n\n{_grid(head, rows)}"


def _grid(head: list[str], lines: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(map(quoted, cells)) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, lines)])
