"""Average precision of images that show several classes at once, by the three rules in use."""

from __future__ import annotations

import numpy as np

from distill.errors import UserError
from distill.evaluation.features import Features
from distill.evaluation.run import Outcome

METRICS = ("mAP_11point", "mAP_area", "mAP_interpolated")
ROUNDING = 1e-9  # 3 of 10 images are a recall of 0.3, whatever the last digit


def precision_recall(scores: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall when the images down to each score are taken for the class.

    Args:
        scores: of each image, (N,); images of equal score are taken together.
        present: which of them show the class, (N,) bool, one at least.

    Returns:
        Precision and recall, a value for each different score, from the highest on.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(present[order])
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # of its score
    return hits[last] / (last + 1), hits[last] / hits[-1]


def eleven_point(precision: np.ndarray, recall: np.ndarray) -> float:
    """VOC 2007's rule: the mean, over recalls 0, 0.1, ... 1, of the best precision at that recall or more."""
    return float(np.mean([precision[recall >= step / 10 - ROUNDING].max() for step in range(11)]))


def area(precision: np.ndarray, recall: np.ndarray) -> float:
    """The uninterpolated area below the curve, scikit-learn's ``average_precision_score``."""
    return float(np.sum(precision * np.diff(recall, prepend=0)))


def interpolated(precision: np.ndarray, recall: np.ndarray) -> float:
    """The area after each precision became the best one at that recall or more: VOC's rule since 2010."""
    return area(np.maximum.accumulate(precision[::-1])[::-1], recall)


def mean_average_precision(scores: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Outcome:
    """The means over the classes by all rules, and each class's average precision.

    Args:
        scores: of each image and class, (N, C).
        labels: 1 where the image shows the class, 0 where not, -1 where it shows nothing of it but
            "difficult" objects: such an image is left out for that class, as VOC's own evaluation does.

    Returns:
        ``METRICS``, percent; ``details["per_class"]`` is by area.
    """
    curves = []
    for column, label in zip(scores.T, labels.T, strict=True):
        known = label >= 0
        curves.append(precision_recall(column[known], label[known] == 1))
    by_rule = [[100 * rule(*curve) for curve in curves] for rule in (eleven_point, area, interpolated)]
    metrics = {name: float(np.mean(values)) for name, values in zip(METRICS, by_rule, strict=True)}
    return Outcome(metrics, {"per_class": dict(zip(classes, by_rule[1], strict=True))})


def check_labels(protocol: str, train: Features, val: Features, at_least: int = 1) -> None:
    """Refuses labels that the protocol cannot be trained on or measured with.

    Raises:
        UserError: a class that fewer than ``at_least`` images show, or show not.
    """
    for part, features in (("training", train), ("validation", val)):
        assert features.y.ndim == 2, "the protocols of VOC 2007 are for images that show several classes"
        for name, label in zip(features.classes, features.y.T, strict=True):
            shown, not_shown = ((label == value).sum().item() for value in (1, 0))
            if min(shown, not_shown) < at_least:
                raise UserError(
                    f"{protocol}: {shown} {part} images show {name!r} and {not_shown} do not; "
                    f"valid: {at_least} or more of each"
                )
