"""Pieces of HTML that the sections share. Text of rows passes ``escape`` here or at its user."""

from html import escape

from distill.report import svg

HEADING = 120  # letters of a label in a heading or a summary; the whole of it stands in the row itself


def wide(content: str, label: str) -> str:
    """Something that may be wider than the window: it scrolls by itself, by keyboard as well."""
    named = escape(svg.clip(label, HEADING), quote=True)
    return f'<div class="wide" role="region" tabindex="0" aria-label="{named}">{content}</div>'


def fold(summary: str, content: str) -> str:
    """Something to unfold; ``summary`` is text, ``content`` HTML."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def figure(picture: str, caption: str, data: str, rows: list[dict]) -> str:
    """A picture with what it shows, on what data, and the command that measured it (of several the first)."""
    commands = list(dict.fromkeys(str(row["command"]) for row in rows if row.get("command")))
    more = f" and {len(commands) - 1} more of its kind" if len(commands) > 1 else ""
    made = fold(f"Command{more}", code(commands[0])) if commands else ""
    text = f"{escape(caption)} Data: {escape(data or 'unknown')}."
    return f"<figure>{picture}<figcaption>{text}{made}</figcaption></figure>"


def code(text: object) -> str:
    """A block of code; "" for nothing."""
    return f"<pre>{escape(str(text))}</pre>" if text else ""


def table(head: list[str], lines: list[list[str]], caption: str) -> str:
    """A small table of texts: the first cell of a line is its name, the others numbers."""
    top = "".join(f'<th scope="col">{escape(svg.clip(cell, HEADING))}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(svg.clip(name, HEADING))}</th>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells) + "</tr>"
        for name, *cells in lines
    )  # fmt: skip
    grid = f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return wide(f"<table><caption>{escape(svg.clip(caption, HEADING))}</caption>{grid}</table>", caption)


def count(number: int, thing: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
