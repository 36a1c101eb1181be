"""Line charts and bars: where points, error bars and words stand."""

import re

import pytest

from distill.report import curves, svg
from distill.report.blocks import blocks_of
from distill.results.rows import make_row


def numbers(pattern: str, chart: str) -> list[tuple[float, ...]]:
    return [tuple(map(float, found)) for found in re.findall(pattern, chart)]


def marks(chart: str) -> list[tuple[float, ...]]:
    return numbers(r'class="mark s0" cx="([\d.]+)" cy="([\d.]+)"', chart)


def test_points_stand_in_proportion_and_their_deviation_around_them():
    chart = curves.lines([curves.Series("a", [(0, 10, 0), (1, 20, 2), (4, 30, 0)])], "n", "x", "y")
    (x0, y0), (x1, y1), (x2, y2) = marks(chart)
    assert (x2 - x1) / (x1 - x0) == pytest.approx(3, abs=0.01)
    assert (y1 - y2) == pytest.approx(y0 - y1, abs=0.11)
    ((x, low, high),) = numbers(
        r'class="error s0" x1="([\d.]+)" x2="[\d.]+" y1="([\d.]+)" y2="([\d.]+)"', chart
    )
    assert x == x1 and (low - high) / 4 == pytest.approx((y0 - y1) / 10, abs=0.05)


def test_values_far_apart_stand_on_a_logarithmic_axis():
    chart = curves.lines([curves.Series("a", [(0.01, 1, 0), (0.1, 2, 0), (1, 3, 0)])], "n", "x", "y")
    (x0, _), (x1, _), (x2, _) = marks(chart)
    assert x2 - x1 == pytest.approx(x1 - x0, abs=0.11)


def test_words_stand_below_their_values():
    chart = curves.lines([curves.Series("a", [(0, 1, 0), (1, 2, 0)])], "n", "x", "y", {0: "off", 1: "on"})
    assert ">off</text>" in chart and ">on</text>" in chart


def test_a_long_curve_is_thinned_and_keeps_its_last_point():
    assert curves.thinned(list(range(1000)), 100)[-2:] == [990, 999]
    chart = curves.lines([curves.Series("a", [(x, x, 0) for x in range(5000)])], "n", "x", "y")
    assert chart.count(",") < 450 and "mark" not in chart


def test_several_series_differ_in_class_and_have_a_key():
    series = [curves.Series(name, [(0, number, 0)]) for number, name in enumerate(("one", "two & three"))]
    chart = curves.lines(series, "n", "x", "y")
    assert {"curve s0", "curve s1"} <= set(re.findall(r'class="([^"]*)"', chart))
    assert "two &amp; three" in chart


def test_bars_have_the_sample_deviation_as_error_bar():
    rows = [
        make_row("knn", "m", "random", "resnet18", seed, {"1nn": 40.0 + 20 * seed}, "x", "", {}, 1.0)
        for seed in (0, 1)
    ]
    (block,) = blocks_of(rows)
    chart = curves.bars(block, "n")
    ((_, height),) = numbers(r'class="bar s0"[^>]* width="([\d.]+)" height="([\d.]+)"', chart)
    ((low, high),) = numbers(r'<line class="whisker"[^>]* y1="([\d.]+)" y2="([\d.]+)"/>(?=<line)', chart)[:1]
    assert (low - high) / height == pytest.approx(
        2 * 200**0.5 / 50, abs=0.01
    )  # deviation of 40 and 60, mean 50


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(0, 100, [0, 20, 40, 60, 80, 100]), (0.3, 2.6, [0.5, 1, 1.5, 2, 2.5]), (-1, 1, [-1, -0.5, 0, 0.5, 1])],
)
def test_ticks_are_round(low, high, found):
    assert svg.ticks(low, high) == found
