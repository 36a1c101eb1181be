"""The papers' tables, each in its own form. Facts only; ``published.json`` holds them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Column:
    """One column of numbers.

    Attributes:
        group: the heading above it and its neighbours, or "".
        task, metric: what of a result row stands in it. ``task`` is "" for a property of the network or of
            its training, which ``metric`` then names (``params``, ``gmacs``, ``minutes``; "": none of ours).
        given: what holds for its numbers: ``data`` (a known set's name, or several: the paper does not say
            which split), ``student``, ``teacher``, ``epochs``, ``image_size``; ``protocol`` where ``task``
            stands for several.
    """

    group: str
    name: str
    task: str
    metric: str
    given: dict


@dataclass(frozen=True)
class Line:
    """One row: its labels, and a text a column, "" where there is none. ``note`` is "" for published ones."""

    labels: tuple[str, ...]
    cells: tuple[str, ...]
    note: str = ""
    ours: bool = False


@dataclass(frozen=True)
class Group:
    """Rows below one heading, with what holds for them beyond the columns' ``given``."""

    title: str
    given: dict
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """``labels`` are the columns of words before the numbers: heading, and what it tells (``method``)."""

    paper: str
    number: str
    title: str
    note: str
    labels: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]

    @property
    def source(self) -> str:
        name = f"Table {self.number}" if self.number[-1:].isdigit() else self.number
        return f"{self.paper}, {name}"


@cache
def facts() -> dict:
    """The file's content.

    ``tables``: the papers' tables. ``given`` holds for all of one, or for a part of its columns or rows;
    ``labels`` are pairs of heading and what it tells, ``columns`` parts of [name, "task:metric", given if
    any], ``groups`` parts of rows: a text a label, then a number a column; null where the paper has none, and
    a text where a number alone does not say it ("29.8 ± 0.3", "59.0 (f7)", "3.50").
    ``benchmarks``: title and headline of those whose rows do not tell. ``readings``: a benchmark in another
    reading -> that of the papers' words, whose columns it may stand in. ``metrics``: name in rows -> name for
    readers. ``students``: timm's name -> the papers' name. ``sets``: data of benchmarks -> its title.
    """
    return json.loads(Path(__file__).with_name("published.json").read_text())


def tables() -> list[Table]:
    """All published tables, in the order of the file."""
    return [_table(entry) for entry in facts()["tables"]]


def published_tasks() -> set[str]:
    """The tasks that have a column in a published table."""
    return {column.task for table in tables() for column in table.columns if column.task}


def _table(entry: dict) -> Table:
    columns = [
        _column(part["title"], entry["given"] | part["given"], *column)
        for part in entry["columns"]
        for column in part["columns"]
    ]
    words = len(entry["labels"])
    groups = [
        Group(part["title"], part["given"], tuple(_line(row, words, len(columns)) for row in part["rows"]))
        for part in entry["groups"]
    ]
    labels = tuple(map(tuple, entry["labels"]))
    return Table(
        entry["paper"], entry["table"], entry["title"], entry["note"], labels, tuple(columns), tuple(groups)
    )


def _column(group: str, above: dict, name: str, measured: str, given: dict | None = None) -> Column:
    task, _, metric = measured.rpartition(":")
    return Column(group, name, task, metric, above | (given or {}))


def _line(row: list, words: int, numbers: int) -> Line:
    assert len(row) == words + numbers, row
    return Line(tuple(row[:words]), tuple("" if cell is None else str(cell) for cell in row[words:]))
