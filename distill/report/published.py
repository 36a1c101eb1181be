"""Numbers from the papers' tables, to print beside ours. Facts only; ``published.json`` holds them."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """One row of a paper's table. ``values`` maps a metric to "59.0" or "29.8 ± 0.3", in percent."""

    source: str
    data: str
    note: str
    method: str
    teacher: str
    student: str
    values: dict[str, str]


@cache
def facts() -> dict:
    """The file's content.

    ``tables``: the papers' tables. ``benchmarks``: title and headline of those whose rows do not tell.
    ``metrics``: name in rows -> name for readers. ``students``: timm's name -> the papers' name.
    """
    return json.loads(Path(__file__).with_name("published.json").read_text())


def published(task: str) -> list[Published]:
    """All published rows of a task, in the order of the papers' tables; [] where none is known."""
    found = []
    for table in facts()["tables"]:
        columns = [tuple(column.split(":")) for column in table["columns"]]
        source = f"{table['paper']}, Table {table['table']}" if table["table"] else table["paper"]
        for method, teacher, student, *values in table["rows"]:
            own = {
                metric: _text(value)
                for (of, metric), value in zip(columns, values, strict=True)
                if of == task and value is not None
            }
            if own:
                found.append(Published(source, table["data"], table["note"], method, teacher, student, own))
    return found


def _text(value: float | list[float]) -> str:
    return f"{value[0]} ± {value[1]}" if isinstance(value, list) else f"{value}"
