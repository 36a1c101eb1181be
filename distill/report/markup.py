"""Pieces of HTML that the sections share. Text of rows passes ``escape`` here or at its user."""

import os
from base64 import b64encode
from html import escape
from io import BytesIO
from pathlib import Path

from PIL import Image

from distill.report import svg

PNG = b"\x89PNG\r\n\x1a\n"
LARGE = 300_000  # bytes: a PNG of photographs, which are a tenth of it as WebP
SIDE = 1_600  # pixels, of what is large
HEADING = 120  # letters of a label in a heading or a summary; the whole of it stands in the row itself


def cut(text: object, letters: int = HEADING) -> str:
    """Text as HTML, on one line and cut to that many letters."""
    return escape(svg.clip(text, letters), quote=True)


def wide(content: str, label: str) -> str:
    """Something that may be wider than the window: it scrolls by itself, by keyboard as well."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{cut(label)}">{content}</div>'


def fold(summary: str, content: str) -> str:
    """Something to unfold; ``summary`` is text, ``content`` HTML."""
    return f"<details><summary>{cut(summary, 4 * HEADING)}</summary>{content}</details>"


def figure(picture: str, caption: str, data: str, rows: list[dict]) -> str:
    """A picture with what it shows, on what data, and the command that measured it (of several the first).

    ``data`` is "" where the caption tells.
    """
    commands = list(dict.fromkeys(str(row["command"]) for row in rows if row.get("command")))
    more = f" and {len(commands) - 1} more of its kind" if len(commands) > 1 else ""
    made = fold(f"Command{more}", code(commands[0])) if commands else ""
    text = cut(caption, 4 * HEADING) + (f" Data: {cut(data, 2 * HEADING)}." if data else "")
    return f"<figure>{picture}<figcaption>{text}{made}</figcaption></figure>"


def image(path: str, caption: str) -> str:
    """A PNG as part of the page, a large one as WebP; a line in its place where it cannot be read."""
    content = Path(path).read_bytes() if os.path.isfile(path) else b""
    kind, small = _for_the_page(content)
    if not small:
        return f'<p class="soft">Not there, or not a PNG: {cut(path, 300)}</p>'
    return f'<img alt="{cut(caption, 300)}" src="data:image/{kind};base64,{b64encode(small).decode()}">'


def _for_the_page(content: bytes) -> tuple[str, bytes]:
    """What stands in the page for a PNG, and of what kind; b"" for what is none or large and torn."""
    if not content.startswith(PNG):
        return "png", b""
    if len(content) < LARGE:
        return "png", content
    stream = BytesIO()
    try:
        with Image.open(BytesIO(content)) as picture:
            picture.thumbnail((SIDE, SIDE))
            picture.save(stream, "WEBP", quality=80)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what Pillow raises for these
        return "png", b""
    return "webp", stream.getvalue()


def code(text: object) -> str:
    """A block of code; "" for nothing."""
    return f"<pre>{escape(str(text))}</pre>" if text else ""


def table(head: list[str], lines: list[list[str]], caption: str) -> str:
    """A small table of texts: the first cell of a line is its name, the others numbers."""
    top = "".join(f'<th scope="col">{cut(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{cut(name)}</th>'
        + "".join(f'<td class="number">{cut(cell)}</td>' for cell in cells) + "</tr>"
        for name, *cells in lines
    )  # fmt: skip
    grid = f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return wide(f"<table><caption>{cut(caption)}</caption>{grid}</table>", caption)


def count(number: int, thing: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
