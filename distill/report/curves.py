"""Line charts and bars with error bars, as inline SVG."""

from dataclasses import dataclass
from math import isfinite, log10

from distill.report import svg
from distill.report.blocks import Block, Cell

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 250, 56, 16, 12, 46


@dataclass(frozen=True)
class Series:
    """``points`` are (x, y, deviation of y or 0), x ascending."""

    name: str
    points: list[tuple[float, float, float]]


def lines(
    series: list[Series],
    name: str,
    x_name: str,
    y_name: str,
    words: dict[float, str] | None = None,
    most: int = 400,
) -> str:
    """One chart of all series, with a key where there are several.

    x is logarithmic where it has few values, all above 0, and spans a factor of 20 and more.
    ``words`` stand on the axis for values of x. A series of more than ``most`` points is thinned, its last
    point kept; one of more than 30 has no marks.
    """
    shown = [[point for point in thinned(one.points, most) if isfinite(point[1])] for one in series]
    points = [point for one in shown for point in one]
    if not points:
        return '<p class="soft">None of the values is finite.</p>'
    xs = [x for x, *_ in points]
    logarithmic = min(xs) > 0 and max(xs) >= 20 * min(xs) and len(set(xs)) < 30 and not words
    at_x = _scale([log10(x) for x in xs] if logarithmic else xs, LEFT, WIDTH - RIGHT, 0.03)
    at_y = _scale([y + d for _, y, d in points] + [y - d for _, y, d in points], HEIGHT - BOTTOM, TOP, 0.06)

    def x(value: float) -> float:
        return at_x.place(log10(value) if logarithmic else value)

    parts = []
    for value in svg.ticks(at_y.low, at_y.high):
        parts.append(svg.across("grid", LEFT, WIDTH - RIGHT, at_y.place(value)))
        parts.append(svg.text(f"{value:g}", LEFT - 8, at_y.place(value) + 4, "end", "axis"))
    words = words or {v: f"{v:g}" for v in (set(xs) if len(set(xs)) <= 6 else svg.ticks(min(xs), max(xs)))}
    letters = max(4, (WIDTH - LEFT - RIGHT) // len(words) // 7)
    for value, word in words.items():
        parts.append(svg.text(word, x(value), HEIGHT - BOTTOM + 18, "middle", "axis", letters))
    parts.append(svg.text(x_name, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "middle", "axis"))
    for number, own in enumerate(shown):
        kind = f"s{number % svg.MARKS}"
        path = " ".join(f"{x(value):.1f},{at_y.place(y):.1f}" for value, y, _ in own)
        parts.append(f'<polyline class="curve {kind}" points="{path}"/>')
        for value, y, deviation in own if len(own) <= 30 else []:
            if deviation:
                low, high = at_y.place(y - deviation), at_y.place(y + deviation)
                parts.append(svg.upright(f"error {kind}", x(value), low, high))
            parts.append(svg.mark(number, x(value), at_y.place(y)))
    below = svg.key([one.name for one in series]) if len(series) > 1 else ""
    return svg.picture(WIDTH, HEIGHT, f"{name}: {y_name} over {x_name}", parts) + below


def bars(block: Block, name: str) -> str:
    """Every metric of a block as a group of bars, one a model, with the sample deviation as an error bar."""
    cells = [
        (metric, number, block.cells[metric, model])
        for metric in block.metrics
        for number, model in enumerate(block.models)
        if (metric, model) in block.cells
    ]
    wide = max(14, min(44, 700 // (len(cells) + len(block.metrics))))
    width = LEFT + wide * (len(cells) + len(block.metrics)) + RIGHT
    scale = _scale([0, max(cell.mean + (cell.std or 0) for *_, cell in cells)], HEIGHT - BOTTOM, TOP + 10, 0)
    parts = []
    for value in svg.ticks(scale.low, scale.high):
        parts.append(svg.across("grid", LEFT, width - RIGHT, scale.place(value)))
        parts.append(svg.text(f"{value:g} %", LEFT - 8, scale.place(value) + 4, "end", "axis"))
    left = LEFT
    for metric in block.metrics:
        own = [(number, cell) for of, number, cell in cells if of == metric]
        for place, (number, cell) in enumerate(own):
            parts.append(_bar(number, cell, left + wide * (place + 0.5), wide, scale))
        middle = left + wide * (len(own) + 1) / 2
        letters = max(4, wide * (len(own) + 1) // 7)
        title = block.task.read_as(metric)
        parts.append(svg.text(title, middle, HEIGHT - BOTTOM + 18, "middle", "axis", letters))
        left += wide * (len(own) + 1)
    return svg.picture(width, HEIGHT - 20, name, parts) + svg.key([model.label for model in block.models])


def _bar(number: int, cell: Cell, left: float, wide: float, scale: "_Scale") -> str:
    top, foot, middle = scale.place(cell.mean), scale.place(0), left + wide / 2
    size = f'x="{left + 2:.1f}" y="{top:.1f}" width="{wide - 4:.1f}" height="{max(0, foot - top):.1f}"'
    parts = [f'<rect class="bar s{number % svg.MARKS}" {size}><title>{cell}</title></rect>']
    high = top
    if cell.std:
        low, high = scale.place(cell.mean - cell.std), scale.place(cell.mean + cell.std)
        parts.append(svg.upright("whisker", middle, low, high))
        parts += [svg.across("whisker", middle - 4, middle + 4, y) for y in (low, high)]
    parts.append(svg.text(f"{cell.mean:.1f}", middle, high - 4, "middle", "axis"))
    return "".join(parts)


def thinned(points: list, most: int) -> list:
    """Every n-th point, the last one kept."""
    kept = points[:: max(1, len(points) // most)]
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _scale(values: list[float], start: float, end: float, margin: float) -> _Scale:
    low, high = min(values), max(values)
    pad = (high - low) * margin if high > low else abs(high) * 0.1 or 0.5
    return _Scale(low - pad, high + pad, start, end)
