"""The papers' tables as HTML, ours in place."""

from itertools import groupby

from distill.report.blocks import Block, Model
from distill.report.markup import cut, fold, wide
from distill.report.origins import Origin
from distill.report.placed import placed
from distill.report.published import Group, Line, Table, tables

INTRO = (
    '<p class="soft">Each of the papers\' tables in its own form. Our rows stand in it where protocol, data '
    "and student are of the same kind; below their names stands what differs, as far as it is known. An "
    "empty cell was not published, or not measured.</p>"
)


def published_section(blocks: list[Block], origins: dict[Model, Origin]) -> str:
    """The tables with ours in them, then the other ones to unfold."""
    near, far = [], []
    for table in tables():
        found = placed(table, blocks, origins)
        (near if found else far).append(found or table)
    none = '<p class="soft">None of our rows belongs into a published table.</p>'
    others = "".join(fold(f"{table.source}: {table.title}", as_html(table)) for table in far)
    heading = "<h3>Tables without a row of ours</h3>" if far else ""
    shown = "".join(f"<h3>{cut(f'{t.source}: {t.title}')}</h3>{as_html(t)}" for t in near)
    return INTRO + (shown or none) + heading + others


def as_html(table: Table) -> str:
    """One table with its note."""
    note = f'<p class="soft">{cut(table.note, 600)}</p>' if table.note else ""
    grouped = any(column.group for column in table.columns)
    rows = ' rowspan="2"' if grouped else ""
    words = "".join(f'<th scope="col"{rows}>{cut(heading)}</th>' for heading, _ in table.labels)
    above = "".join(
        f'<th scope="colgroup" colspan="{len(list(own))}">{cut(title)}</th>' if title
        else f'<td colspan="{len(list(own))}"></td>'
        for title, own in groupby(column.group for column in table.columns)
    )  # fmt: skip
    names = "".join(f'<th class="number" scope="col">{cut(column.name)}</th>' for column in table.columns)
    head = f"<tr>{words}{above}</tr><tr>{names}</tr>" if grouped else f"<tr>{words}{names}</tr>"
    span = len(table.labels) + len(table.columns)
    body = "".join(_group(group, span) for group in table.groups if group.lines)
    caption = f"<caption>{cut(f'{table.source}: {table.title}')}</caption>"
    grid = f'<table class="published">{caption}<thead>{head}</thead>{body}</table>'
    return note + wide(grid, f"{table.source}: {table.title}")


def _group(group: Group, span: int) -> str:
    title = ""
    if group.title:
        title = f'<tr><th class="group" scope="rowgroup" colspan="{span}">{cut(group.title)}</th></tr>'
    return f"<tbody>{title}{''.join(map(_row, group.lines))}</tbody>"


def _row(line: Line) -> str:
    below = f"<small>{cut(line.note, 600)}</small>" if line.note else ""
    first, *others = (cut(label) for label in line.labels)
    words = "".join(f"<td>{label}</td>" for label in others)
    numbers = "".join(f'<td class="number">{cut(cell)}</td>' for cell in line.cells)
    kind, ours = (' class="ours"', '<small class="tag">ours</small>') if line.ours else ("", "")
    return f'<tr{kind}><th scope="row">{first}{ours}{below}</th>{words}{numbers}</tr>'
