"""Trainings over a grid of settings, as ``tools/sweep.py`` makes them: a curve and a table each."""

import json
from dataclasses import dataclass

from distill.report import curves, markup
from distill.report.blocks import Cell, cell_of, count_seeds, data_name
from distill.report.rows import comparable
from distill.report.tasks import Tasks
from distill.results.protocol import Protocol


@dataclass(frozen=True)
class Sweep:
    """One task over one grid.

    Attributes:
        name: of the config that was varied.
        keys: the settings that were varied, that of the x axis first.
        cells: (metric, the keys' values as JSON) -> what was measured.
    """

    task: Protocol
    name: str
    data: str
    keys: tuple[str, ...]
    rows: list[dict]
    cells: dict[tuple[str, tuple[str, ...]], Cell]

    @property
    def varied(self) -> str:
        return " and ".join(self.keys)

    @property
    def title(self) -> str:
        """Tells apart the grids of one config as well."""
        return f"{self.name}: {self.task.title} over {self.varied}"

    @property
    def points(self) -> list[tuple[str, ...]]:
        """The grid's values, each once, numbers in their order."""
        points = dict.fromkeys(point for _, point in self.cells)
        return sorted(points, key=lambda point: list(map(_place, point)))

    @property
    def metrics(self) -> list[str]:
        names = dict.fromkeys(metric for metric, _ in self.cells)
        return sorted(names, key=lambda name: name != self.task.headline)


def split(rows: list[dict]) -> tuple[list[dict], list[dict]]:
    """The rows that belong to no grid, and those that do."""
    inside, outside = [], []
    for row in rows:
        grid = row.get("details", {}).get("grid")
        (inside if grid and isinstance(grid, dict) else outside).append(row)
    return outside, inside


def sweeps_of(rows: list[dict]) -> list[Sweep]:
    """The sweeps of rows that belong to grids, by task."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        settings = json.dumps(comparable(row), sort_keys=True)
        grid = row["details"]["grid"]
        keys = tuple(sorted(grid, key=lambda key: _place(json.dumps(grid[key]))[0]))  # a number across
        about = (str(row["details"].get("grid_of", "")), keys, row["backbone"])
        groups.setdefault((row["task"], row.get("data", ""), *about, settings), []).append(row)
    tasks = Tasks()
    found = []
    for (_, known, name, keys, *_), group in groups.items():
        values: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        for row in group:
            point = tuple(json.dumps(row["details"]["grid"][key]) for key in keys)
            for metric, value in row["metrics"].items():
                if not metric.endswith("_std"):
                    values.setdefault((metric, point), []).append(value)
        cells = {key: cell_of(own) for key, own in values.items()}
        data = data_name(known, comparable(group[-1]))
        if not cells:
            continue
        found.append(Sweep(tasks.of(group[-1]), name, data, keys, group, cells))
    return sorted(found, key=lambda sweep: (sweep.name, sweep.keys, tasks.place(sweep.task)))


def as_html(sweep: Sweep) -> str:
    """The headline as curves, a line for each value of the further settings; all metrics as a table."""
    metric, (across, *further) = sweep.metrics[0], sweep.keys
    places = {value: _place(value)[1] for value, *_ in sweep.points}
    words = None
    if any(_place(value)[0] for value in places):  # not numbers: side by side
        places = {value: float(place) for place, value in enumerate(places)}
        words = {place: value for value, place in places.items()}
    of_rest: dict[tuple, list[tuple[float, float, float]]] = {}
    for value, *rest in sweep.points:
        if cell := sweep.cells.get((metric, (value, *rest))):
            of_rest.setdefault(tuple(rest), []).append((places[value], cell.mean, cell.std or 0))
    series = [
        curves.Series(", ".join(f"{key}={value}" for key, value in zip(further, rest, strict=True)), points)
        for rest, points in of_rest.items()
    ]
    measured = sweep.task.read_as(metric)
    caption = f"{sweep.task.title}, {measured}, over {sweep.varied}, {count_seeds(sweep.rows)}."
    chart = curves.lines(series, caption, across, f"{measured}, percent", words)
    lines = [
        [", ".join(point), *(str(sweep.cells.get((metric, point), "")) for metric in sweep.metrics)]
        for point in sweep.points
    ]
    head = [", ".join(sweep.keys), *map(sweep.task.read_as, sweep.metrics)]
    heading = f"<h3>{markup.cut(sweep.title)}</h3>"
    table = markup.table(head, lines, f"{sweep.title}, percent")
    return heading + markup.figure(chart, caption, sweep.data or "unknown", sweep.rows) + table


def _place(value: str) -> tuple:
    """Where a value, written as JSON, stands on an axis: numbers by size, others by what they read as."""
    number = json.loads(value)
    if isinstance(number, int | float) and not isinstance(number, bool):
        return 0, number
    return 1, value
