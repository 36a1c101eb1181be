"""The verdict, its figures and how they were found: ``proof.md`` and ``proof.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean, stdev

from distill.data.copies import Copy
from distill.proof.verdict import Comparison, Values, verdict
from distill.report import svg
from distill.report.markdown import grid, quoted
from distill.report.markup import code, fold, table, wide
from distill.report.page import CSS

TITLE = "Does distillation help on these pictures?"
DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{title}</h1><p class="lead">{verdict}</p></header>
<main>{body}</main>
</body>
</html>
"""
WIDTH, LABEL, ROW = 760, 300, 30
TOLD = 20  # copies in the page; all are in copies.txt


@dataclass(frozen=True)
class Proof:
    """What was found.

    Attributes:
        values: see ``distill.proof.verdict.Values``.
        comparisons: what is judged of them.
        test_pictures: how many.
        copies: test pictures that were trained on, where they were allowed.
        about: lines that say how it was measured.
        commands: those that made it.
        metric: what the percentages are.
    """

    values: Values
    comparisons: Sequence[Comparison]
    test_pictures: int
    copies: Sequence[Copy]
    about: Sequence[str]
    commands: Sequence[str]
    metric: str

    @property
    def verdict(self) -> str:
        return verdict(self.comparisons, self.test_pictures)

    def lines(self) -> tuple[list[str], list[list[str]]]:
        """The head and the lines of the table: mean and sample standard deviation over the seeds."""
        places = list(dict.fromkeys(place for found in self.values.values() for place in found))
        lines = [
            [f"{task}, {share}", *(_cell(found.get((task, share), ())) for found in self.values.values())]
            for task, share in places
        ]
        return [f"{self.metric}, labels", *self.values], lines

    def differences(self) -> tuple[list[str], list[list[str]]]:
        """The head and the lines of the table of differences."""
        lines = [
            [f"{each.task}, {each.share}", each.against, str(each.difference), each.difference.outcome]
            for each in self.comparisons
        ]
        return [f"{self.metric}, labels", "distilled less", "mean (interval)", "outcome"], lines

    def told_copies(self) -> str:
        return (
            f"{len(self.copies)} of {self.test_pictures} test pictures were trained on" if self.copies else ""
        )


def _cell(values: Sequence[float]) -> str:
    return f"{fmean(values):.1f} ± {stdev(values):.1f}" if values else ""


def as_markdown(proof: Proof) -> str:
    """The page as Markdown."""
    parts = [f"# {TITLE}", f"**{quoted(proof.verdict)}**", grid(*proof.lines()), grid(*proof.differences())]
    if proof.copies:
        listed = "\n".join(f"- {quoted(copy)}" for copy in proof.copies[:TOLD])
        parts.append(f"{quoted(proof.told_copies())}:\n\n{listed}")
    parts.append("\n".join(f"- {quoted(line)}" for line in proof.about))
    return "\n\n".join(parts) + "\n"


def as_html(proof: Proof) -> str:
    """The page as one HTML file that fetches nothing."""
    body = [
        wide(_intervals(proof.comparisons), "Differences with their intervals"),
        wide(table(*proof.lines(), "Percent, mean ± sample standard deviation over the seeds."), "Figures"),
        wide(
            table(*proof.differences(), f"Points of {proof.metric}; all intervals hold together at 95 %."),
            "Differences",
        ),
    ]
    if proof.copies:
        listed = "".join(f"<li>{escape(str(copy))}</li>" for copy in proof.copies[:TOLD])
        body.append(f"<h2>Copies</h2><p>{escape(proof.told_copies())}</p><ul>{listed}</ul>")
    lines = "".join(f"<li>{escape(line)}</li>" for line in proof.about)
    body.append(f"<h2>How it was measured</h2><ul>{lines}</ul>")
    body.append(fold("Every command", code("\n".join(proof.commands))))
    return DOCUMENT.format(
        title=TITLE, style=CSS.read_text(), verdict=escape(proof.verdict), body="".join(body)
    )


def _intervals(comparisons: Sequence[Comparison]) -> str:
    """A line for each comparison: the mean's mark in its interval, and where no difference would be."""
    ends = [0.0, *(end for each in comparisons for end in (each.difference.low, each.difference.high))]
    marks = svg.ticks(min(ends), max(ends))
    low, high = min(*marks, *ends), max(*marks, *ends)
    height = ROW * len(comparisons) + 34

    def x(value: float) -> float:
        return LABEL + (value - low) / ((high - low) or 1) * (WIDTH - LABEL - 24)

    parts = []
    for mark in marks:
        parts.append(svg.upright("span" if mark == 0 else "grid", x(mark), 6, height - 26))
        parts.append(svg.text(f"{mark:+g}" if mark else "0", x(mark), height - 8, "middle", "axis"))
    for number, each in enumerate(comparisons):
        y, found = ROW * number + 22, each.difference
        name = f"{each.task}, {each.share}, less {each.against}"
        parts.append(svg.text(name, LABEL - 16, y + 4, "end", letters=44))
        parts.append(svg.across("error s0", x(found.low), x(found.high), y))
        parts.append(svg.mark(0, x(found.mean), y))
    return svg.picture(WIDTH, height, "Points by which the distilled start is better", parts)
