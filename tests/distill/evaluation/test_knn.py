import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.errors import UserError
from distill.evaluation import KNN, Features, neighbours
from distill.evaluation.knn import subset, vote
from distill.evaluation.neighbours import nearest


def slow_knn(x, y, queries, k, temperature):
    """One query at a time, straight from the definition, in float64."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    predicted = []
    for query in queries / np.linalg.norm(queries, axis=1, keepdims=True):
        similarity = np.array([row @ query for row in x])
        scores = np.zeros(y.max() + 1)
        for row in np.argsort(-similarity)[:k]:
            scores[y[row]] += np.exp(similarity[row] / temperature)
        predicted.append(scores.argmax())
    return np.array(predicted)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_equals_a_slow_transcription(k):
    generator = torch.Generator().manual_seed(0)
    x, queries = (torch.randn(n, 12, generator=generator) for n in (300, 80))
    y = torch.randint(6, (300,), generator=generator)
    similarity, rows = nearest(queries, x, k)
    expected = slow_knn(x.double().numpy(), y.numpy(), queries.double().numpy(), k, 0.07)
    assert vote(similarity, y[rows], 6, 0.07).tolist() == expected.tolist()


def test_separable_classes_are_all_right_and_meaningless_ones_at_chance(separable, meaningless):
    assert KNN().run(*separable) == {"1nn": 100.0, "20nn": 100.0}
    for value in KNN().run(*meaningless).values():
        assert value == pytest.approx(100 / 7, abs=6)


@pytest.mark.parametrize("backend", ["faiss", "torch"])
def test_in_parts_equals_a_search_of_all_at_once(monkeypatch, backend):
    if backend == "faiss":
        pytest.importorskip("faiss", reason="FAISS is not installed: pip install faiss-cpu")
    generator = torch.Generator().manual_seed(1)
    queries, x = torch.randn(70, 24, generator=generator), torch.randn(500, 24, generator=generator)
    expected = (F.normalize(queries) @ F.normalize(x).T).topk(20)
    monkeypatch.setattr(neighbours, "ROWS_AT_ONCE", 16)  # less than k: each part gives all its rows
    monkeypatch.setattr(neighbours, "SCORES_AT_ONCE", 16 * 9)
    similarity, rows = nearest(queries, x, 20, backend)
    assert torch.equal(rows, expected.indices)
    torch.testing.assert_close(similarity, expected.values)


PEAK = """
import sys, torch
from distill.evaluation.neighbours import nearest
warm = torch.randn(20_000, 512)
nearest(warm[:50], warm, 5, sys.argv[1])  # loads the libraries
del warm
queries, database = torch.randn(500, 512), torch.randn(100_000, 512)  # 200 MB
def peak():
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
before = peak()
nearest(queries, database, 5, sys.argv[1])
print((peak() - before) / ((queries.numel() + database.numel()) * 4))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
@pytest.mark.parametrize("backend", ["faiss", "torch"])
def test_memory_is_within_twice_the_features(backend):
    """What the search adds is less than the features themselves."""
    if backend == "faiss":
        pytest.importorskip("faiss", reason="FAISS is not installed: pip install faiss-cpu")
    program = [sys.executable, "-c", PEAK, backend]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=True)
    assert float(done.stdout) < 1


def test_works_without_faiss(monkeypatch, separable):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)  # import faiss now fails
    assert KNN().run(*separable)["1nn"] == 100
    with pytest.raises(UserError, match="FAISS is not installed .*valid: auto, torch"):
        KNN(backend="faiss").run(*separable)


def test_more_neighbours_than_images():
    train = Features(torch.eye(3), torch.arange(3), ("a", "b", "c"))
    assert KNN(k=(1, 20)).run(train, train) == {"1nn": 100.0, "20nn": 100.0}


def test_scale_of_the_features_does_not_matter(separable):
    train, val = separable
    large = Features(train.x * 1e4, train.y, train.classes)
    assert KNN().run(large, val) == KNN().run(train, val)


def test_few_labels(separable, meaningless):
    """Table 3's three settings; a draw's spread is 0 where every draw is all right."""
    parts = ("1-shot", "1%", "10%")
    metrics = KNN(few_shot=parts).run(*separable)
    assert all(metrics[f"1nn_{part}"] == 100 and metrics[f"1nn_{part}_std"] == 0 for part in parts)
    noisy = KNN(few_shot=("1-shot",), draws=5)
    assert noisy.run(*meaningless)["1nn_1-shot_std"] > 0
    assert noisy.run(*meaningless) == noisy.run(*meaningless)


def test_subset_takes_its_share_of_every_class():
    y = torch.tensor([0] * 50 + [1] * 200 + [2] * 3)
    generator = torch.Generator().manual_seed(0)
    assert y[subset(y, "2-shot", generator)].bincount().tolist() == [2, 2, 2]
    assert y[subset(y, "10%", generator)].bincount().tolist() == [5, 20, 1]  # at least one
    rows = subset(y, "100%", generator)
    assert rows.sort().values.tolist() == list(range(253))


@pytest.mark.parametrize(
    "settings",
    [dict(k=()), dict(k=(0,)), dict(temperature=0.0), dict(few_shot=("few",)), dict(few_shot=("0%",))],
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(UserError):
        KNN(**settings)
