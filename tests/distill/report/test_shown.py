"""What a report says of distilled weights against random ones: what pairs of seeds show, and no more."""

import pytest

from distill.report.blocks import blocks_of
from distill.report.shown import sentence, shown
from distill.results.paired import paired_difference
from distill.results.rows import make_row


def rows(init: str, values: list[float], task: str = "voc12_seg", **more) -> list[dict]:
    settings = {"data_root": "/a/voc"} | more
    return [
        make_row(task, f"my-{init}", init, "resnet18", seed, {"mIoU": value}, "x.pth", "", settings, 1.0)
        for seed, value in enumerate(values)
    ]


def test_a_comparison_is_paired_by_seed_whatever_the_order_of_the_rows():
    ours, theirs = [30.0, 33.0, 36.5], [25.0, 28.5, 31.0]
    ((only,), single) = shown(blocks_of(rows("distilled", ours)[::-1] + rows("random", theirs)))
    assert only.difference == paired_difference(ours, theirs, step=0.1)
    assert only.difference.outcome == "better" and single == 0
    assert sentence([only], 0) == (
        "Distilled against random weights, each task by its first metric: better in 1, worse in 0, not "
        "decided in 0 of 1 comparison, paired by seed, with intervals of which all hold together at 95 %."
    )


def test_what_is_ahead_on_average_alone_is_not_decided():
    judged, _ = shown(blocks_of(rows("distilled", [30.0, 20.0]) + rows("random", [21.0, 27.0])))
    assert [each.difference.outcome for each in judged] == ["unclear"]
    assert judged[0].cells[1:] == ["my-distilled (resnet18)", "+1.0 points (-100.6 to +102.6)",
                                   "2 pairs, 2 seeds", "not decided"]  # fmt: skip


def test_the_same_figures_twice_are_no_certainty():
    """Two seeds that happen to agree: rounding to a test picture, of 50, alone would make them differ."""
    val = {"folder": "/a/val", "images": 50}
    pairs = rows("distilled", [32.0, 32.0], val=val) + rows("random", [30.0, 30.0], val=val)
    ((only,), _) = shown(blocks_of(pairs))
    assert only.difference.outcome == "unclear" and only.difference.low < 0


def test_a_benchmark_s_rows_tell_how_many_pictures_were_tested_as_a_proof_knows():
    ours, theirs = [32.0, 32.1], [30.0, 30.0]
    both = rows("distilled", ours) + rows("random", theirs)
    ((only,), _) = shown(blocks_of([row | {"details": {"test_images": 50}} for row in both]))
    assert only.difference == paired_difference(ours, theirs, step=100 / 50)
    assert only.difference.outcome == "unclear"


def test_more_comparisons_make_every_interval_wider():
    one = rows("distilled", [30.0, 33.0, 36.5]) + rows("random", [25.0, 28.5, 31.0])
    other = [row | {"task": "cityscapes_seg"} for row in one]
    ((alone,), _), (both, _) = shown(blocks_of(one)), shown(blocks_of(one + other))
    assert len(both) == 2 and both[0].difference.low < alone.difference.low
    assert both[0].difference.mean == pytest.approx(alone.difference.mean)


def test_one_seed_decides_nothing_and_is_counted():
    judged, single = shown(blocks_of(rows("distilled", [60.0]) + rows("random", [20.0])))
    assert (judged, single) == ([], 1)
    assert sentence([], 1) == "With fewer than two common seeds, which decide nothing: 1 comparison."


def test_nothing_to_compare_is_nothing_to_say():
    other = [row | {"backbone": "resnet50"} for row in rows("random", [20.0, 21.0])]
    for found in ([], rows("teacher", [60.0, 61.0]), rows("distilled", [60.0, 61.0]) + other):
        assert shown(blocks_of(found)) == ([], 0)
    assert sentence([], 0) == ""
