"""The marked tables of README and docs/comparison.md: each cell from the rows in the file of its mark."""

import json
import re
from pathlib import Path
from statistics import fmean, stdev

import pytest

from distill.results.paired import paired_difference

DOCS = Path(__file__).resolve().parents[1] / "docs"
ROWS = {
    path.name: [json.loads(line) for line in path.read_text().splitlines()]
    for path in (DOCS / "default.jsonl", DOCS / "comparison.jsonl")
}
# "<!-- FILE: STUDENT; BUDGET -->" and a table. Labels end with the budget where it is not the usual one.
MARKED = r"<!-- (\w+\.jsonl): (\w+)(?:; (.+))? -->\n\n((?:\|.*\n)+)"
PAGES = (DOCS.parent / "README.md", DOCS / "comparison.md")
TABLES = [table for page in PAGES for table in re.findall(MARKED, page.read_text())]
METRICS = {
    "1-NN": ("knn", "1nn"),
    "20-NN": ("knn", "20nn"),
    "linear": ("linear", "top1"),
    "cluster alignment": ("cluster_alignment", "top1"),
    "mIoU": ("voc12_seg", "mIoU"),
    "pixel accuracy": ("voc12_seg", "aAcc"),
    "AP50": ("voc07_det", "AP50"),
    "AP": ("voc07_det", "AP"),
}
INTERVAL = "default less it: interval in "
COMPARED = 3  # differences for which an interval is claimed at once


def cells(table: str) -> list[list[str]]:
    """Rows of columns, without bold type, code and footnotes."""
    lines = [line.split("|")[1:-1] for line in table.splitlines()]
    return [[re.sub(r"[*`]", "", part).strip() for part in line] for line in lines]


def values(table: tuple[str, ...], label: str, column: str) -> list[float]:
    """A value a seed; a label that names only a setting is the default's."""
    file, student, budget, _ = table
    task, metric = METRICS[column]
    name = re.sub(r" \(.*\)$", "", label)
    names = [f"{each}; {budget}" if budget else each for each in (name, f"the default, {name}")]
    rows = [row for row in ROWS[file] if row["task"] == task and row["label"] in names]
    rows = [row for row in rows if row["backbone"] == student or name == "teacher"]
    assert rows, f"no rows of {label} for {student} in {file}"
    return [row["metrics"][metric] for row in sorted(rows, key=lambda row: row["seed"])]


def mean_and_deviation(found: list[float]) -> str:
    return f"{fmean(found):.1f} ± {stdev(found):.1f}" if len(found) > 1 else f"{found[0]:.1f}"


def interval(ours: list[float], theirs: list[float]) -> str:
    if ours == theirs or len(theirs) < 2:
        return ""
    difference = paired_difference(ours, theirs, 0.05, COMPARED)
    return f"{difference.low:+.1f} to {difference.high:+.1f}"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: " ".join(table[:3]).strip())
def test_a_table_shows_mean_and_deviation_of_its_rows(table):
    (_, *columns), _, *lines = cells(table[-1])
    for label, *shown in lines:
        for column, cell in zip(columns, shown, strict=True):
            if column == "seeds":
                assert int(cell) == len(values(table, label, columns[1])), label
            elif column.startswith(INTERVAL):
                both = (values(table, each, column.removeprefix(INTERVAL)) for each in ("the default", label))
                assert cell == interval(*both), label
            elif column != "published":
                assert cell == mean_and_deviation(values(table, label, column)), (label, column)


def test_the_tables_are_found():
    assert len(TABLES) == 13
