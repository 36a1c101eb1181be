"""Reads results and runs, writes ``report.html`` and ``report.md``."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from distill.report.blocks import blocks_of
from distill.report.content import Content
from distill.report.markdown import markdown
from distill.report.origins import origins
from distill.report.page import page
from distill.report.pictures import find_pictures
from distill.report.rows import newest_rows
from distill.report.runs import find_runs
from distill.report.sweeps import split, sweeps_of
from distill.results.atomic import write_text

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def write_report(
    results: Iterable[str | os.PathLike],
    out: str | os.PathLike,
    runs: Iterable[str | os.PathLike] = (),
    figures: Iterable[str | os.PathLike] = (),
) -> tuple[Path, Path]:
    """Writes ``out/report.html`` (one self-contained page) and ``out/report.md``; returns both paths.

    Args:
        results: ``results.jsonl`` files.
        out: folder, made if need be.
        runs: work directories whose loss curves and manifests to show, besides those of the
            checkpoints that the rows name.
        figures: PNGs, or folders of them, to show besides those that the rows name.

    Raises:
        UserError: a file is missing, holds no row or a row without a needed field, or is no PNG.
    """
    rows, superseded = newest_rows(results)
    single, grid = split(rows)
    found = find_runs(rows, runs)
    drawn = find_pictures(figures)
    about = origins(single, found)
    content = Content(blocks_of(single), sweeps_of(grid), about, found, drawn, rows, superseded)
    html, table = Path(out) / "report.html", Path(out) / "report.md"
    Path(out).mkdir(parents=True, exist_ok=True)
    write_text(table, visible(markdown(content)))
    write_text(html, visible(page(content)))
    return html, table


def visible(text: str) -> str:
    r"""Control characters, half pairs (names that are not UTF-8) and what turns text about, as escapes.

    >>> visible("a\x1b[31m\ud8ff")
    'a\\x1b[31m\\ud8ff'
    """
    return UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)
