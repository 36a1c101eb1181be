"""What paired differences of starts allow to say, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distill.results.paired import Difference, paired_difference

OURS = "distilled"
# The teacher is shown and not judged: it is larger, and nobody expects to be ahead of it.
JUDGED = {"random": "a random start", "supervised": "the supervised start"}

# start -> (how it was measured, share of the labels or which: "10%", "50 pictures") -> percent for each seed,
# all in the same order
Values = Mapping[str, Mapping[tuple[str, str], Sequence[float]]]


@dataclass(frozen=True)
class Comparison:
    """The distilled start and another one, measured in one way with one share of the labels."""

    task: str
    share: str
    against: str
    difference: Difference


def compare(values: Values, test_pictures: int) -> list[Comparison]:
    """All comparisons that are judged, their intervals holding together with 95 %."""
    judged = [
        (*place, start)
        for start in JUDGED
        if start in values
        for place in values[OURS]
        if place in values[start]
    ]
    return [
        Comparison(
            task, share, start,
            paired_difference(
                values[OURS][task, share], values[start][task, share], 100 / test_pictures, len(judged)
            ),
        )
        for task, share, start in judged
    ]  # fmt: skip


def verdict(comparisons: Sequence[Comparison], test_pictures: int) -> str:
    """One sentence: what is shown against each start, and how surely.

    >>> ahead = Comparison("linear", "10%", "random", Difference(3.14, 2.0, 4.3, 5))
    >>> verdict([ahead], 2500)
    'Yes, against a random start: better with 10 % of the labels (linear: +3.1 points, +2.0 to +4.3); mean \
of 5 paired seeds on these 2,500 test pictures, with intervals of which all hold together at 95 %.'
    """
    clauses = []
    for start, said in JUDGED.items():
        own = [each for each in comparisons if each.against == start]
        if own:
            clauses.append(f"{_lead(own)}, against {said}: {'; '.join(_parts(own))}")
    seeds = comparisons[0].difference.pairs
    scope = (
        f"mean of {seeds} paired seeds on these {test_pictures:,} test pictures, with intervals of which all "
        "hold together at 95 %"
    )
    return "; ".join([*clauses, scope]) + "."


def _lead(comparisons: Sequence[Comparison]) -> str:
    outcomes = {each.difference.outcome for each in comparisons}
    if outcomes == {"unclear"}:
        return "Not shown"
    if "worse" not in outcomes:
        return "Yes" if outcomes == {"better"} else "In part"
    return "No" if "better" not in outcomes else "Both ways"


def _parts(comparisons: Sequence[Comparison]) -> list[str]:
    words = {"better": "better with", "worse": "worse with", "unclear": "no difference is shown with"}
    parts = []
    for outcome, said in words.items():
        shares: dict[str, list[str]] = {}
        for each in comparisons:
            if each.difference.outcome == outcome:
                found = each.difference
                figure = f"{each.task}: {found.mean:+.1f} points, {found.low:+.1f} to {found.high:+.1f}"
                shares.setdefault(each.share, []).append(figure)
        if shares:
            listed = [f"{_labels(share)} ({', '.join(own)})" for share, own in shares.items()]
            parts.append(f"{said} {' and '.join(listed)}")
    return parts


def _labels(share: str) -> str:
    return f"{share.replace('%', ' %')} of the labels" if share.endswith("%") else f"labels of {share}"
