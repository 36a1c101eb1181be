"""The sentence: what it says for every outcome, and that it says no more than the intervals do."""

import pytest

from distill.proof.verdict import compare, verdict

LINEAR = "small_label_linear"


def values(**starts):
    return {
        start: {(LINEAR, share): own for share, own in zip(("1%", "10%"), found, strict=False)}
        for start, found in starts.items()
    }


BASE = [30.0, 31.0, 30.5, 30.2, 31.1]
NOISE = [0.3, -0.2, 0.1, -0.4, 0.2]


def plus(points, values=BASE):
    return [value + points + noise for value, noise in zip(values, NOISE, strict=True)]


@pytest.mark.parametrize(
    ("low", "high", "lead"),
    [
        (5, 5, "Yes"),
        (5, 0, "In part"),
        (0, 0, "Not shown"),
        (-5, 0, "No"),
        (-5, -5, "No"),
        (5, -5, "Both ways"),
    ],
)
def test_the_first_word(low, high, lead):
    found = compare(values(distilled=[plus(low), plus(high)], random=[BASE, BASE]), 2500)
    assert verdict(found, 2500).startswith(f"{lead}, against a random start: ")


def test_every_figure_is_in_it():
    found = compare(values(distilled=[plus(5), plus(0)], random=[BASE, BASE]), 2500)
    first, second = (each.difference for each in found)
    assert verdict(found, 2500) == (
        "In part, against a random start: "
        f"better with 1 % of the labels ({LINEAR}: {first.mean:+.1f} points, {first.low:+.1f} to "
        f"{first.high:+.1f}); no difference is shown with 10 % of the labels ({LINEAR}: "
        f"{second.mean:+.1f} points, "
        f"{second.low:+.1f} to {second.high:+.1f}); mean of 5 paired seeds on these 2,500 test pictures, "
        "with intervals of which all hold together at 95 %."
    )


def test_each_start_is_compared_but_the_teacher():
    starts = dict(distilled=[plus(5)], random=[BASE], supervised=[plus(9)], teacher=[plus(20)])
    found = compare(values(**starts), 2500)
    assert [(each.against, each.difference.outcome) for each in found] == [
        ("random", "better"),
        ("supervised", "worse"),
    ]
    said = verdict(found, 2500)
    assert "Yes, against a random start: better" in said and "No, against the supervised start: worse" in said
    assert "teacher" not in said


def test_more_comparisons_make_wider_intervals():
    one = compare(values(distilled=[plus(5)], random=[BASE]), 2500)[0].difference
    two = compare(values(distilled=[plus(5), plus(5)], random=[BASE, BASE]), 2500)[0].difference
    assert two.high - two.low > one.high - one.low and two.mean == pytest.approx(one.mean)
