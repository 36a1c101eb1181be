"""The HTML page: one file, no scripts, nothing fetched."""

from html import escape
from pathlib import Path

from distill.report import charts, records
from distill.report.blocks import Block, Model
from distill.report.comparison import Line, by_task, comparison
from distill.report.runs import Run
from distill.results.protocol import KINDS

CSS = Path(__file__).with_name("page.css")
DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Distillation report</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>Distillation report</h1>
<p class="soft">{summary}</p>
<nav aria-label="Sections">{links}</nav>
</header>
<main>{body}</main>
</body>
</html>
"""


def page(blocks: list[Block], rows: list[dict], runs: list[Run], superseded: int) -> str:
    """The whole document."""
    sections = [
        ("glance", "At a glance", _glance(blocks)),
        *((kind, title, _tables(blocks, kind)) for kind, title in KINDS.items()),
        ("training", "Training", records.training(runs)),
        ("published", "Published numbers", _published(blocks)),
        ("rows", "Every row", records.every_row(rows, superseded)),
    ]
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    body = "".join(_section(*section) for section in sections)
    span = " to ".join(dict.fromkeys(str(row["time"])[:10] for row in (rows[0], rows[-1])))
    summary = f"{_count(len(rows), 'result')}, {span}"
    return DOCUMENT.format(style=CSS.read_text(), summary=escape(summary), links=links, body=body)


def _section(name: str, title: str, content: str) -> str:
    heading = f'<h2 id="{name}-title">{title}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">{heading}{content}</section>'


def _glance(blocks: list[Block]) -> str:
    compared = [
        gain for block in blocks for model in block.models
        if model.init == "distilled" and (gain := block.gain(block.metrics[0], model)) is not None
    ]  # fmt: skip
    verdict = ""
    if compared:
        better = sum(gain > 0 for gain in compared)
        verdict = (
            f'<p class="lead">Distilled weights beat random ones in {better} of '
            f"{_count(len(compared), 'comparison')}, each task by its first metric.</p>"
        )
    return f'{verdict}{charts.legend(blocks)}<div class="wide">{charts.overview(blocks)}</div>'


def _tables(blocks: list[Block], kind: str) -> str:
    blocks = [block for block in blocks if block.task.kind == kind]
    if not blocks:
        tool = "tools/run_transfer.sh" if kind == "transfer" else "tools/evaluate.py"
        return f'<p class="soft">No such results yet: {tool}.</p>'
    intro = (
        '<p class="soft">Percent. ± is the sample standard deviation over the seeds of training and '
        "measurement; the small figure below a value is its difference to random weights of the same "
        "backbone.</p>"
    )
    return intro + "".join(map(_table, blocks))


def _table(block: Block) -> str:
    kinds = list(dict.fromkeys(model.init for model in block.models))
    of_kind = {kind: [model for model in block.models if model.init == kind] for kind in kinds}
    columns = "".join(f'<col class="{escape(model.init)}">' for model in block.models)
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(of_kind[kind])}">{escape(kind.capitalize())}</th>'
        for kind in kinds
    )
    names = "".join(
        f'<th class="number" scope="col">{escape(model.label)}'
        f"<small>{escape(model.backbone)}, {escape(block.seeds[model])}</small></th>"
        for model in block.models
    )
    body = "".join(
        f'<tr><th scope="row">{escape(block.task.read_as(metric))}</th>'
        + "".join(_cell(block, metric, model) for model in block.models) + "</tr>"
        for metric in block.metrics
    )  # fmt: skip
    return (
        f'<h3>{escape(block.task.title)}</h3><p class="soft">{escape(_under(block))}</p>'
        '<div class="wide"><table>'
        f'<colgroup><col>{columns}</colgroup><thead><tr><td></td>{groups}</tr><tr><th scope="col">Metric</th>'
        f"{names}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _under(block: Block) -> str:
    return f"Data: {block.data or 'unknown'}. {block.notes}"


def _cell(block: Block, metric: str, model: Model) -> str:
    cell = block.cells.get((metric, model))
    if cell is None:
        return '<td class="number"><span aria-label="not measured">–</span></td>'
    gain = block.gain(metric, model)
    below = ""
    if gain is not None:
        below = f'<small class="{"good" if gain > 0 else "bad"}">{signed(gain)}</small>'
    return f'<td class="number">{cell}{below}</td>'


def signed(value: float) -> str:
    """A difference with its sign, a true minus.

    >>> signed(-2.04)
    '−2.0'
    """
    return f"{value:+.1f}".replace("-", "−")


def _published(blocks: list[Block]) -> str:
    intro = (
        '<p class="soft">From the papers\' tables, on the data and schedules named there: compare them with '
        "ours only where data, image size and schedule are the same.</p>"
    )
    return intro + "".join(map(_comparison, by_task(blocks)))


def _comparison(blocks: list[Block]) -> str:
    task = blocks[0].task
    lines, metrics = comparison(task, blocks)
    title = f"<h3>{escape(task.title)}</h3>"
    if not any(line.source for line in lines):
        return f'{title}<p class="soft">No published number is known for this benchmark.</p>'
    head = "".join(
        f'<th class="number" scope="col">{escape(task.read_as(metric))}</th>' for metric in metrics
    )
    names = "".join(f'<th scope="col">{name}</th>' for name in ("Method", "Teacher", "Student"))

    def row(line: Line) -> str:
        values = "".join(f'<td class="number">{line.values.get(metric, "–")}</td>' for metric in metrics)
        texts = "".join(f'<td class="name">{escape(text)}</td>' for text in (line.teacher, line.student))
        below = "; ".join(filter(None, (line.data, line.note)))
        source = f"{escape(line.source or 'Ours')}<small>{escape(below)}</small>"
        kind = "" if line.source else ' class="ours"'
        cells = f'{texts}{values}<td class="source">{source}</td>'
        return f'<tr{kind}><th scope="row">{escape(line.method)}</th>{cells}</tr>'

    def table(chosen: list[Line]) -> str:
        top = f'<thead><tr>{names}{head}<th scope="col">Source</th></tr></thead>'
        body = "".join(map(row, chosen))
        return f'<div class="wide published"><table>{top}<tbody>{body}</tbody></table></div>'

    near = [line for line in lines if line.same_student]
    far = [line for line in lines if not line.same_student]
    if not far:
        return title + table(near)
    summary = f"<summary>{_count(len(far), 'published row')} of other students</summary>"
    return f"{title}{table(near)}<details>{summary}{table(far)}</details>"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
