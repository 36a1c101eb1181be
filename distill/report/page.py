"""The HTML page: one file, no scripts, nothing fetched."""

from pathlib import Path

from distill.report import charts, pictures, records, sweeps
from distill.report.blocks import Block, Model
from distill.report.content import Content
from distill.report.details import details
from distill.report.markup import count, cut, figure, fold, table, wide
from distill.report.published_section import published_section
from distill.report.shown import HEAD, sentence, shown
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


def page(content: Content) -> str:
    """The whole document."""
    blocks, rows = content.blocks, content.rows
    sections = [
        ("glance", "At a glance", _glance(blocks)),
        ("published", "The papers' tables, ours in place", published_section(blocks, content.origins)),
        *((kind, f"Ours: {title.lower()}", _tables(blocks, kind)) for kind, title in KINDS.items()),
        ("sweeps", "Ours: settings varied", "".join(map(sweeps.as_html, content.sweeps))),
        ("pictures", "Ours: pictures", "".join(map(pictures.as_html, content.pictures))),
        ("training", "Training", records.training(content)),
        ("rows", "Every row", records.every_row(rows, content.superseded)),
    ]
    sections = [section for section in sections if section[2]]
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    body = "".join(_section(*section) for section in sections)
    span = " to ".join(dict.fromkeys(str(row["time"])[:10] for row in (rows[0], rows[-1])))
    summary = cut(f"{count(len(rows), 'result')}, {span}")
    return DOCUMENT.format(style=CSS.read_text(), summary=summary, links=links, body=body)


def _section(name: str, title: str, content: str) -> str:
    heading = f'<h2 id="{name}-title">{title}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">{heading}{content}</section>'


def _glance(blocks: list[Block]) -> str:
    if not blocks:
        return ""
    judged, single = shown(blocks)
    said = sentence(judged, single)
    verdict = f'<p class="lead">{cut(said, 600)}</p>' if said else ""
    if judged:
        caption = "Mean of the paired differences, with the interval that holds it"
        verdict += fold("Seed by seed", table(HEAD, [each.cells for each in judged], caption))
    caption = "The first metric of each task, in percent; a bar is the sample standard deviation over seeds."
    chart = wide(charts.overview(blocks), "Overview of all tasks")
    rows = [row for block in blocks for own in block.rows.values() for row in own]
    data = ", ".join(dict.fromkeys(block.data for block in blocks if block.data))
    return f"{verdict}{charts.legend(blocks)}{figure(chart, caption, data or 'unknown', rows)}"


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
    seeds = block.seeds
    columns = "".join(f'<col class="{charts.kind(model)}">' for model in block.models)
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(own)}">{cut(kind.capitalize())}</th>'
        for kind, own in of_kind.items()
    )
    names = "".join(
        f'<th class="number" scope="col">{cut(model.label)}'
        f"<small>{cut(model.backbone)}, {cut(seeds[model])}</small></th>"
        for model in block.models
    )
    body = "".join(
        f'<tr><th scope="row">{cut(block.task.read_as(metric))}</th>'
        + "".join(_cell(block, metric, model) for model in block.models) + "</tr>"
        for metric in block.metrics
    )  # fmt: skip
    title = block.task.title
    grid = (
        f'<table><caption class="hidden">{cut(title)}</caption><colgroup><col>{columns}</colgroup>'
        f'<thead><tr><td></td>{groups}</tr><tr><th scope="col">Metric</th>{names}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    under = cut(f"Data: {block.data or 'unknown'}. {block.notes}", 600)
    return f'<h3>{cut(title)}</h3><p class="soft">{under}</p>{wide(grid, title)}{details(block)}'


def _cell(block: Block, metric: str, model: Model) -> str:
    cell = block.cells.get((metric, model))
    if cell is None:
        return '<td class="number"><span aria-label="not measured">–</span></td>'
    gain = block.gain(metric, model)
    below = ""
    if gain is not None:
        kind = "good" if gain > 0 else "bad" if gain < 0 else "even"
        below = f'<small class="{kind}">{signed(gain)}</small>'
    return f'<td class="number">{cell}{below}</td>'


def signed(value: float) -> str:
    """A difference with its sign, a true minus.

    >>> signed(-2.04)
    '−2.0'
    """
    return f"{value:+.1f}".replace("-", "−")
