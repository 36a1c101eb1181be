"""Which of VOC 2007's classes an image shows: linear SVMs on frozen features, the usual benchmark."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge
from torch.nn import functional as F

from distill.evaluation.average_precision import area, check_labels, mean_average_precision, precision_recall
from distill.evaluation.features import Features
from distill.evaluation.run import Outcome
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Positive, Positives, check_fields

PROTOCOL = Protocol(
    name="voc07_svm",
    title="Classification, VOC 2007 (linear SVM)",
    kind="features",
    metrics={
        "mAP_11point": "mAP, 11-point",
        "mAP_area": "mAP, area",
        "mAP_interpolated": "mAP, interpolated area",
    },
    headline="mAP_area",
    about="a linear SVM a class on L2-normalised features: squared hinge loss, images that show the class "
    "weigh double, C of 11 values from 0.01 to 1000 by 3-fold cross-validation; the whole picture, squashed",
    paper="Goyal et al. 2019, VISSL",
    sets=("voc07",),
    resize="squash",
)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class VOC07SVM:
    """A linear SVM for each class on L2-normalised features, trained on trainval, tested on test.

    The settings are those of VISSL's benchmark (Goyal et al., ICCV 2019), which many papers use: squared
    hinge loss, L2 penalty, images that show the class weigh double, ``C`` chosen for each class by the mean
    average precision (area) over the parts of a cross-validation, then trained on all. The whole picture is
    squashed to 224 x 224 there, and here unless ``Extraction.resize`` is another.

    Not VISSL's: an image whose objects of a class are all "difficult" takes no part for that
    class, in training and in the test; VISSL's code takes it for one without that class in training. Features
    are the network's pooled output; VISSL averages the map of each stage to about 9,000 numbers (the last one
    to 2 x 2 places). VISSL resizes the shorter side to 256 before it squashes. What it prints is
    ``mAP_interpolated``.

    Metrics: ``mAP_11point``, ``mAP_area``, ``mAP_interpolated``; percent. ``details["C"]``: class -> the
    chosen value.
    """

    costs: Positives = (0.01, 0.1, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 50.0, 100.0, 1000.0)
    folds: Annotated[int, Ge(2)] = 3
    positive_weight: Positive = 2.0

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        check_fields(self, "voc07_svm.")

    def run(self, train: Features, val: Features) -> Outcome:
        check_labels(self.protocol.name, train, val, at_least=self.folds)
        x, x_val = (F.normalize(part.x).double().numpy() for part in (train, val))

        def of_class(label: np.ndarray) -> tuple[float, np.ndarray]:
            rows, present = x[label >= 0], label[label >= 0] == 1
            cost = self.choose(rows, present)
            return cost, self.fit(rows, present, cost).decision_function(x_val)

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # scikit-learn trains outside Python's lock
            costs, scores = zip(*pool.map(of_class, train.y.numpy().T), strict=True)
        found = mean_average_precision(np.stack(scores, axis=1), val.y.numpy(), val.classes)
        return Outcome(found.metrics, found.details | {"C": dict(zip(train.classes, costs, strict=True))})

    def choose(self, x: np.ndarray, present: np.ndarray) -> float:
        """The cost with the best average precision over the parts, the smallest of equally good ones.

        Args:
            x: features (N, D); ``present``: which rows show the class, (N,) bool.
        """
        from sklearn.model_selection import StratifiedKFold

        parts = list(StratifiedKFold(self.folds).split(x, present))

        def quality(cost: float) -> float:
            machines = [(self.fit(x[rows], present[rows], cost), rest) for rows, rest in parts]
            scores = [(svm.decision_function(x[rest]), present[rest]) for svm, rest in machines]
            return float(np.mean([area(*precision_recall(*each)) for each in scores]))

        return max(sorted(self.costs), key=quality)

    def fit(self, x: np.ndarray, present: np.ndarray, cost: float):
        """The ``LinearSVC`` trained on these rows.

        In the primal: nothing in it is random, and it reaches the optimum, which is that of the dual. VISSL
        solves the dual, and stops short of it at 2000 iterations where the cost is high.
        """
        from sklearn.svm import LinearSVC

        weights = {True: self.positive_weight, False: 1.0}
        return LinearSVC(C=cost, class_weight=weights, dual=False).fit(x, present)
