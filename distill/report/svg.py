"""Pieces of inline SVG. Colours are the page's classes, so that light, dark and print follow one style."""

from html import escape
from math import ceil, floor, log10

MARKS = 6  # series that differ in colour, dash and mark; a seventh looks like the first


def picture(width: int, height: int, name: str, parts: list[str]) -> str:
    """The whole picture; ``name`` is what a screen reader says."""
    size = f'viewBox="0 0 {width} {height}" style="--wide:{width}px"'
    return f'<svg role="img" aria-label="{escape(clip(name, 300), quote=True)}" {size}>{"".join(parts)}</svg>'


def text(content: str, x: float, y: float, anchor: str, kind: str = "name", letters: int = 60) -> str:
    """One line of text, cut to ``letters``; the whole of it is the tip of a cut one."""
    shown = clip(content, letters)
    tip = f"<title>{escape(clip(content, 300))}</title>" if shown != content else ""
    return f'<text class="{kind}" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{escape(shown)}{tip}</text>'


def across(kind: str, start: float, end: float, y: float) -> str:
    """A horizontal line."""
    return f'<line class="{kind}" x1="{start:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def upright(kind: str, x: float, low: float, high: float) -> str:
    """A vertical line."""
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'


def mark(number: int, x: float, y: float, size: float = 4) -> str:
    """The mark of the series of that number: disc, square, diamond, triangle, ring, cross."""
    number %= MARKS
    kind, s = f"mark s{number}", size
    if number == 1:
        return f'<rect class="{kind}" x="{x - s:.1f}" y="{y - s:.1f}" width="{2 * s:g}" height="{2 * s:g}"/>'
    if number in (0, 4):
        hollow = " hollow" if number == 4 else ""
        return f'<circle class="{kind}{hollow}" cx="{x:.1f}" cy="{y:.1f}" r="{s:g}"/>'
    shape = {
        2: f"M{x:.1f} {y - s:.1f}l{s} {s}l{-s} {s}l{-s} {-s}z",
        3: f"M{x:.1f} {y - s:.1f}l{s} {2 * s}h{-2 * s}z",
        5: f"M{x - s:.1f} {y - s:.1f}l{2 * s} {2 * s}m0 {-2 * s}l{-2 * s} {2 * s}",
    }[number]
    return f'<path class="{kind}{" hollow" if number == 5 else ""}" d="{shape}"/>'


def key(names: list[str]) -> str:
    """The line below a chart that names its series."""
    sample = '<svg viewBox="0 0 28 16" width="28" height="16" aria-hidden="true">{}</svg>'
    entries = [
        f"<span>{sample.format(across(f'curve s{n % MARKS}', 0, 28, 8) + mark(n, 14, 8))} "
        f"{escape(clip(name, 80))}</span>"
        for n, name in enumerate(names)
    ]
    return f'<p class="legend">{"".join(entries)}</p>'


def clip(content: object, letters: int) -> str:
    """Text of at most that many letters, on one line.

    >>> clip("a very long name", 10)
    'a very lo…'
    """
    line = " ".join(str(content).split())
    return line if len(line) <= letters else line[: letters - 1] + "…"


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from ``low`` to ``high``.

    >>> ticks(0.3, 2.6)
    [0.5, 1.0, 1.5, 2.0, 2.5]
    """
    rough = (high - low) / about
    unit = 10 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
