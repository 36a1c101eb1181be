"""The HTML page: one file, no scripts, nothing fetched."""

from html import escape
from pathlib import Path

from distill.report import charts, records
from distill.report.blocks import FROZEN, Block, Model, metric_name
from distill.report.comparison import Line, comparison
from distill.report.runs import Run

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
    frozen = [block for block in blocks if block.task in FROZEN]
    transfer = [block for block in blocks if block.task not in FROZEN]
    sections = [
        ("glance", "At a glance", _glance(blocks)),
        ("frozen", "Frozen features", _tables(frozen, "No frozen-feature results yet: tools/evaluate.py.")),
        ("transfer", "Transfer", _tables(transfer, "No transfer results yet: tools/run_transfer.sh.")),
        ("training", "Training", records.training(runs)),
        ("published", "Published numbers", _published(blocks)),
        ("rows", "Every row", records.every_row(rows, superseded)),
    ]
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    body = "".join(_section(*section) for section in sections)
    span = " to ".join(dict.fromkeys((rows[0]["time"][:10], rows[-1]["time"][:10])))
    summary = f"{_count(len(rows), 'result')}, {span}"
    return DOCUMENT.format(style=CSS.read_text(), summary=summary, links=links, body=body)


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


def _tables(blocks: list[Block], otherwise: str) -> str:
    if not blocks:
        return f'<p class="soft">{otherwise}</p>'
    intro = (
        '<p class="soft">Percent. ± is the sample standard deviation over seeds; the small figure below a '
    )
    return (
        intro
        + "value is its difference to random weights of the same backbone.</p>"
        + "".join(map(_table, blocks))
    )


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
        f"<small>{escape(model.backbone)}, {block.seeds(model)}</small></th>"
        for model in block.models
    )
    body = "".join(
        f'<tr><th scope="row">{escape(metric_name(metric))}</th>'
        + "".join(_cell(block, metric, model) for model in block.models) + "</tr>"
        for metric in block.metrics
    )  # fmt: skip
    return (
        f'<h3>{escape(block.title)}</h3><p class="soft">{escape(_under(block))}</p><div class="wide"><table>'
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
    return intro + "".join(_comparison(task, of) for task, of in _by_task(blocks).items())


def _by_task(blocks: list[Block]) -> dict[str, list[Block]]:
    return {task: [b for b in blocks if b.task == task] for task in dict.fromkeys(b.task for b in blocks)}


def _comparison(task: str, blocks: list[Block]) -> str:
    lines, metrics = comparison(task, blocks)
    title = f"<h3>{escape(blocks[0].title)}</h3>"
    if not any(line.source for line in lines):
        return f'{title}<p class="soft">No published number is known for this benchmark.</p>'
    head = "".join(f'<th class="number" scope="col">{escape(metric_name(metric))}</th>' for metric in metrics)
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
