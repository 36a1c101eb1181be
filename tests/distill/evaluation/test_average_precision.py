import numpy as np
import pytest
import torch

from distill.errors import UserError
from distill.evaluation import Features
from distill.evaluation.average_precision import (
    area,
    check_labels,
    eleven_point,
    interpolated,
    mean_average_precision,
    precision_recall,
)


def test_the_rules_by_hand():
    """Five images, three of them show the class; from the highest score on: yes, no, yes, no, yes.

    Precision at the three: 1, 2/3, 3/5, at recalls 1/3, 2/3, 1. The area is their mean. Eleven points:
    recalls 0 to 0.3 find 1, 0.4 to 0.6 find 2/3, and 0.7 to 1 find 3/5. Interpolated is the area here.
    """
    curve = precision_recall(np.array([5.0, 4, 3, 2, 1]), np.array([True, False, True, False, True]))
    np.testing.assert_allclose(curve, [[1, 1 / 2, 2 / 3, 2 / 4, 3 / 5], [1 / 3, 1 / 3, 2 / 3, 2 / 3, 1]])
    assert area(*curve) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert eleven_point(*curve) == pytest.approx((4 * 1 + 3 * 2 / 3 + 4 * 3 / 5) / 11)
    assert interpolated(*curve) == pytest.approx(area(*curve))


def test_an_interpolated_precision_is_the_best_from_its_recall_on():
    """No, yes, yes: precisions 1/2 and 2/3 at recalls 1/2 and 1, of which the first counts as the second."""
    curve = precision_recall(np.array([3.0, 2, 1]), np.array([False, True, True]))
    assert area(*curve) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert interpolated(*curve) == pytest.approx(2 / 3)


def test_a_recall_that_is_reached_exactly_counts():
    """Ten of ten found one by one: 3/10 is a recall of 0.3 whatever the last digit of the division."""
    present = np.array([True] * 3 + [False] * 7 + [True] * 7)
    precision, recall = precision_recall(-np.arange(17.0), present)
    assert eleven_point(precision, recall) == pytest.approx((4 * 1 + 7 * 10 / 17) / 11)


@pytest.mark.parametrize("decimals", [1, 8], ids=["many equal scores", "different scores"])
def test_the_area_is_scikit_learn_s(decimals):
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(0)
    for _ in range(20):
        scores, present = random.random(50).round(decimals), random.random(50) < 0.3
        expected = average_precision_score(present, scores)
        assert area(*precision_recall(scores, present)) == pytest.approx(expected)


def test_difficult_images_are_left_out_for_their_class_alone():
    """The highest score of class a belongs to an image with nothing but difficult objects of it."""
    scores = np.array([[9.0, 1], [8, 3], [7, 2], [6, 0]])
    labels = np.array([[-1, 0], [1, 1], [0, 1], [1, 0]], np.int8)
    found = mean_average_precision(scores, labels, ("a", "b"))
    a = 100 * (1 + 2 / 3) / 2
    assert found.details["per_class"] == pytest.approx({"a": a, "b": 100})
    assert found.metrics["mAP_area"] == pytest.approx((a + 100) / 2)
    assert found.metrics["mAP_interpolated"] == pytest.approx((a + 100) / 2)
    assert found.metrics["mAP_11point"] == pytest.approx(((6 + 5 * 2 / 3) / 11 * 100 + 100) / 2)


def test_labels_that_nothing_can_be_learned_from_are_refused():
    x, classes = torch.zeros(3, 2), ("cat", "dog")
    two = Features(x, torch.tensor([[1, 0], [0, 1], [-1, 1]], dtype=torch.int8), classes)
    check_labels("mine", two, two)
    with pytest.raises(UserError, match="1 training images show 'cat' and 1 do not; valid: 2 or more of"):
        check_labels("mine", two, two, at_least=2)
