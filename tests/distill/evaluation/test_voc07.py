"""The two protocols of VOC 2007 classification."""

import numpy as np
import pytest
import torch

from distill.errors import UserError
from distill.evaluation import Features
from distill.evaluation.average_precision import METRICS
from distill.evaluation.voc07_classification import VOC07Classification
from distill.evaluation.voc07_svm import VOC07SVM

BOTH = [VOC07Classification(iterations=3000), VOC07SVM(costs=(1.0, 100.0))]


def showing(count, seed, classes=4, width=12):
    """Images that show each class with probability 0.3: features say which, by a direction a class."""
    directions = torch.randn(classes, width, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    y = (torch.rand(count, classes, generator=generator) < 0.3).to(torch.int8)
    x = y.float() @ directions + 0.01 * torch.randn(count, width, generator=generator) + 3
    return Features(x, y, tuple(f"class {number}" for number in range(classes)))


@pytest.mark.parametrize("evaluator", BOTH, ids=lambda evaluator: evaluator.protocol.name)
def test_features_that_say_it_all_reach_100(evaluator):
    found = evaluator.run(showing(200, seed=1), showing(100, seed=2))
    assert found.metrics == pytest.approx(dict.fromkeys(METRICS, 100), abs=0.5)
    assert found.details["per_class"].keys() == {f"class {number}" for number in range(4)}


@pytest.mark.parametrize("evaluator", BOTH, ids=lambda evaluator: evaluator.protocol.name)
def test_features_that_say_nothing_are_at_chance(evaluator):
    """The precision of a random order is the share of images that show the class."""
    train, val = showing(200, seed=1), showing(1000, seed=2)
    noise = [torch.randn(x.shape, generator=torch.Generator().manual_seed(len(x))) for x in (train.x, val.x)]
    found = evaluator.run(*(Features(x, f.y, f.classes) for x, f in zip(noise, (train, val), strict=True)))
    assert found.metrics["mAP_area"] == pytest.approx(30, abs=5)


@pytest.mark.parametrize("evaluator", BOTH, ids=lambda evaluator: evaluator.protocol.name)
def test_difficult_images_change_nothing_for_their_class(evaluator):
    """Their features could be anything: here they contradict the class."""
    train, val = showing(150, seed=1), showing(80, seed=2)

    def with_difficult(features):
        wrong = Features(-features.x[:40], torch.full_like(features.y[:40], -1), features.classes)
        return Features(torch.cat([features.x, wrong.x]), torch.cat([features.y, wrong.y]), features.classes)

    found = evaluator.run(with_difficult(train), with_difficult(val))
    assert found.metrics == pytest.approx(dict.fromkeys(METRICS, 100), abs=0.5)


def slow_logistic_regression(x, labels, batches, settings):
    """Loops over images and classes, in float64; the bias is a weight of its own."""
    weight, bias = np.zeros((labels.shape[1], x.shape[1])), np.zeros(labels.shape[1])
    velocity_w, velocity_b = np.zeros_like(weight), np.zeros_like(bias)
    for step, rows in enumerate(batches):
        gradient_w, gradient_b = settings.weight_decay * weight, settings.weight_decay * bias
        for row in rows:
            for c in range(labels.shape[1]):
                if labels[row, c] >= 0:
                    error = 1 / (1 + np.exp(-(x[row] @ weight[c] + bias[c]))) - labels[row, c]
                    gradient_w[c] += error * x[row] / len(rows)
                    gradient_b[c] += error / len(rows)
        velocity_w = settings.momentum * velocity_w + gradient_w
        velocity_b = settings.momentum * velocity_b + gradient_b
        lr = settings.lr * settings.gamma ** (step // settings.drop_every)
        weight, bias = weight - lr * velocity_w, bias - lr * velocity_b
    return weight, bias


def test_training_equals_a_slow_transcription():
    """Momentum, weight decay, the drops of the learning rate and difficult images included."""
    settings = VOC07Classification(
        iterations=40, lr=0.2, weight_decay=0.01, batch_size=7, drop_every=15, seed=3
    )
    features = showing(30, seed=1)
    features.y[:6, 0] = -1
    got = settings.fit(features.x, features.y).numpy()
    generator = torch.Generator().manual_seed(3)
    rows = torch.cat([torch.randperm(30, generator=generator) for _ in range(10)]).numpy()
    batches = [rows[7 * step : 7 * step + 7] for step in range(40)]
    weight, bias = slow_logistic_regression(
        features.x.double().numpy(), features.y.numpy().astype(int), batches, settings
    )
    np.testing.assert_allclose(got[:, :-1], weight, atol=1e-5)
    np.testing.assert_allclose(got[:, -1], bias, atol=1e-5)


def test_the_svm_takes_the_cost_that_is_best_in_cross_validation():
    """Half of the labels of the training images are wrong at random: a high cost learns them by heart."""
    train = showing(120, seed=1, classes=1, width=60)
    wrong = torch.rand(len(train.y), generator=torch.Generator().manual_seed(5)) < 0.25
    present = (train.y[:, 0].bool() ^ wrong).numpy()
    x = torch.nn.functional.normalize(train.x).numpy()
    quality = {cost: cross_validated(x, present, cost) for cost in (0.1, 1000.0)}
    assert quality[0.1] > quality[1000.0]
    assert VOC07SVM(costs=(1000.0, 0.1)).choose(x, present) == 0.1


def cross_validated(x, present, cost):
    """By scikit-learn's own function, with the settings in words."""
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import LinearSVC

    svm = LinearSVC(C=cost, class_weight={True: 2, False: 1}, dual=False)
    return cross_val_score(svm, x, present, cv=3, scoring="average_precision").mean()


def test_defaults_are_the_papers():
    sgd, svm = VOC07Classification(), VOC07SVM()
    assert (sgd.lr, sgd.momentum, sgd.weight_decay, sgd.batch_size) == (0.01, 0.9, 1e-6, 16)
    assert (sgd.iterations, sgd.drop_every, sgd.gamma) == (80_000, 5_000, 0.5)
    assert (svm.folds, svm.positive_weight, len(svm.costs)) == (3, 2, 11)
    with pytest.raises(UserError, match="voc07_svm.folds"):
        VOC07SVM(folds=1)
