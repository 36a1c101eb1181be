"""Pascal VOC's average precision, both as VOC2007 and as VOC2010+ compute it.

The matching rule is the devkit's: predictions of a class from the surest down, each to the box it
overlaps most; a second hit on a box is a false positive, a hit on a *difficult* box counts for nothing.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from transfer.datasets.voc import VocImage

IOU_THRESHOLDS = tuple(range(50, 100, 5))  # percent
METRICS = ("11point", "area")


def evaluate(
    images: Sequence[VocImage], classes: Sequence[str], predictions: Mapping[str, Sequence[tuple]]
) -> dict[str, float]:
    """VOC AP over IoU thresholds 0.50, 0.55, ..., 0.95.

    Args:
        images: the test split.
        classes: names, in the order of the class numbers.
        predictions: image name -> (class number, score, (left, top, right, bottom)); boxes in VOC's
            coordinates, pixels counted from 1.

    Returns:
        ``AP``, ``AP50``, ``AP75`` in percent by VOC2007's 11-point rule (Detectron2's choice for
        2007), and the same with suffix ``_area`` by the area under the curve. Classes without a box
        in the split are left out of the mean.
    """
    curves: dict[tuple[str, int], list[float]] = {(m, t): [] for m in METRICS for t in IOU_THRESHOLDS}
    for number, name in enumerate(classes):
        truth = {image.name: [item for item in image.objects if item.name == name] for image in images}
        positives = sum(not item.difficult for items in truth.values() for item in items)
        if not positives:
            continue
        found = [
            (image, score, box)
            for image, rows in predictions.items()
            for label, score, box in rows
            if label == number
        ]
        found.sort(key=lambda row: -row[1])
        overlaps = [_best_overlap(box, truth[image]) for image, _, box in found]
        for threshold in IOU_THRESHOLDS:
            recall, precision = _curve(found, overlaps, truth, positives, threshold / 100)
            curves["11point", threshold].append(eleven_point(recall, precision))
            curves["area", threshold].append(area(recall, precision))
    result = {}
    for metric, suffix in zip(METRICS, ("", "_area"), strict=True):
        mean = {t: 100 * float(np.mean(curves[metric, t] or [0.0])) for t in IOU_THRESHOLDS}
        result |= {
            f"AP{suffix}": float(np.mean(list(mean.values()))),
            f"AP50{suffix}": mean[50],
            f"AP75{suffix}": mean[75],
        }
    return result


def _best_overlap(box: Sequence[float], objects: list) -> tuple[float, int]:
    """(IoU, index) of the object overlapped most; pixels are counted inclusively, hence the + 1."""
    if not objects:
        return 0.0, -1
    truth = np.array([item.box for item in objects], dtype=np.float64)
    box = np.asarray(box, dtype=np.float64)
    inner = np.maximum(np.minimum(truth[:, 2:], box[2:]) - np.maximum(truth[:, :2], box[:2]) + 1, 0).prod(1)
    union = (box[2:] - box[:2] + 1).prod() + (truth[:, 2:] - truth[:, :2] + 1).prod(1) - inner
    best = int(np.argmax(inner / union))
    return float((inner / union)[best]), best


def _curve(found, overlaps, truth, positives: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision after each prediction."""
    hits, misses = np.zeros(len(found)), np.zeros(len(found))
    taken: set[tuple[str, int]] = set()
    for i, ((image, _, _), (overlap, best)) in enumerate(zip(found, overlaps, strict=True)):
        if overlap <= threshold:
            misses[i] = 1
        elif truth[image][best].difficult:
            continue
        elif (image, best) in taken:
            misses[i] = 1
        else:
            taken.add((image, best))
            hits[i] = 1
    hits, misses = hits.cumsum(), misses.cumsum()
    return hits / positives, hits / np.maximum(hits + misses, np.finfo(np.float64).eps)


def eleven_point(recall: np.ndarray, precision: np.ndarray) -> float:
    """VOC2007: mean of the best precision at recall >= 0, 0.1, ..., 1."""
    best = (precision[recall >= level].max(initial=0.0) for level in np.arange(0.0, 1.1, 0.1))
    return float(sum(best) / 11)


def area(recall: np.ndarray, precision: np.ndarray) -> float:
    """VOC2010+: area under the curve after making the precision fall monotonically."""
    recall = np.concatenate([[0.0], recall])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope))
