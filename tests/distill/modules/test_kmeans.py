"""k-means: its start against the definition, its result against FAISS's own."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.modules import kmeans as module
from distill.modules.kmeans import assign, drawn_rows, kmeans, spread_centroids, squared_distance


def objective(x, centroids) -> float:
    """Sum of the squared distances to the nearest centroid, in float64."""
    x, centroids = x.double().numpy(), centroids.double().numpy()
    return sum(((row - centroids) ** 2).sum(1).min() for row in x)


def features(clusters: int, seed: int = 0, rows: int = 3000, width: int = 24) -> torch.Tensor:
    """Unit vectors around ``clusters`` directions; 0: in all directions."""
    random = np.random.default_rng(seed)
    centres = 2 * random.normal(size=(max(clusters, 1), width)) * (clusters > 0)
    x = centres[random.integers(len(centres), size=rows)] + random.normal(size=(rows, width))
    return F.normalize(torch.from_numpy(x).float())


def test_rows_have_the_probabilities_of_drawing_one_by_one(monkeypatch):
    """k-means++'s definition for all orders of three rows of five: drawing in groups changes nothing."""
    monkeypatch.setattr(module, "DRAWS_AT_ONCE", 4)
    places = np.array([0.0, 1.0, 1.5, 4.0, 6.0])
    expected, drawn = {}, 5_000
    for order in permutations(range(5), 3):
        chance = 1 / 5
        for number in (1, 2):
            weights = [min((place - places[i]) ** 2 for i in order[:number]) for place in places]
            chance *= weights[order[number]] / sum(weights)
        expected[order] = chance
    assert sum(expected.values()) == pytest.approx(1)
    generator, x = torch.Generator().manual_seed(0), torch.from_numpy(places).float()[:, None]
    found = Counter()
    for _ in range(drawn):
        rows, _ = drawn_rows(x, 3, generator)
        found[tuple(int((x == row).nonzero()[0, 0]) for row in rows)] += 1
    for order, chance in expected.items():
        assert found[order] / drawn == pytest.approx(chance, abs=4 * np.sqrt(chance / drawn) + 1e-4), order


def slow_draws(x: np.ndarray, count: int, generator: torch.Generator, draws: int) -> list[int]:
    """The rows of ``drawn_rows`` by its docstring, one draw and one distance at a time."""
    chosen = [int(torch.randint(len(x), (1,), generator=generator))]
    while len(chosen) < count:
        before = np.array([min(((row - x[c]) ** 2).sum() for c in chosen) for row in x])
        points = torch.rand(draws, dtype=torch.float64, generator=generator).numpy() * before.sum()
        chances = torch.rand(draws, generator=generator).numpy()
        for point, chance in zip(points, chances, strict=True):
            row = int((before.cumsum() < point).sum())
            now = min(((x[row] - x[c]) ** 2).sum() for c in chosen)
            if len(chosen) < count and chance < now / before[row]:
                chosen.append(row)
    return chosen


def slow_start(x: np.ndarray, k: int, generator: torch.Generator, draws: int) -> list[int]:
    """``spread_centroids`` in the same way: the best k of 2k rows."""
    drawn = slow_draws(x, 2 * k, generator, draws)
    nearest = [min(range(2 * k), key=lambda d: ((row - x[drawn[d]]) ** 2).sum()) for row in x]
    size = np.bincount(nearest, minlength=2 * k)

    def distances(chosen: list[int]) -> np.ndarray:
        return np.array([min([((x[d] - x[drawn[c]]) ** 2).sum() for c in chosen]) for d in drawn])

    def draw(weights: np.ndarray, count: int) -> list[int]:
        points = torch.rand(count, dtype=torch.float64, generator=generator).numpy() * weights.sum()
        return [int((weights.cumsum() < point).sum()) for point in points]

    chosen = draw(size, 1)
    while len(chosen) < k:
        some = draw(size * distances(chosen), 2 + int(np.log(k)))
        chosen.append(min(some, key=lambda c: (distances([*chosen, c]) * size).sum()))
    return [drawn[c] for c in chosen]


@pytest.mark.parametrize("k", [2, 9, 20])
def test_start_equals_a_slow_transcription(k, monkeypatch):
    monkeypatch.setattr(module, "DRAWS_AT_ONCE", 7)
    x = features(6, rows=80)
    expected = slow_start(x.double().numpy(), k, torch.Generator().manual_seed(k), 7)
    assert torch.equal(spread_centroids(x, k, torch.Generator().manual_seed(k)), x[expected])


def test_draws_equal_a_slow_transcription_and_tell_the_nearest(monkeypatch):
    monkeypatch.setattr(module, "DRAWS_AT_ONCE", 7)
    x = features(6, rows=80)
    rows, nearest = drawn_rows(x, 30, torch.Generator().manual_seed(3))
    assert torch.equal(rows, x[slow_draws(x.double().numpy(), 30, torch.Generator().manual_seed(3), 7)])
    assert torch.equal(nearest, torch.cdist(x, rows).argmin(1))


def test_more_centroids_than_different_rows():
    assert spread_centroids(torch.eye(4).repeat(5, 1), 9, torch.Generator()).shape == (9, 4)


def test_distances_in_blocks_are_those_of_the_definition(monkeypatch):
    monkeypatch.setattr(module, "DISTANCES_AT_ONCE", 70)  # 10 rows at a time
    x, centroids = features(3, rows=47), features(3, rows=7, seed=1)
    expected = ((x[:, None].double() - centroids[None].double()) ** 2).sum(2)
    torch.testing.assert_close(squared_distance(x, centroids)[0], expected.min(1).values.float())
    assert torch.equal(assign(x, centroids), expected.argmin(1))


@pytest.mark.parametrize("backend", ["faiss", "sklearn"])
def test_far_apart_clusters_are_each_found(backend):
    if backend == "faiss":
        pytest.importorskip("faiss", reason="FAISS is not installed: pip install faiss-cpu")
    labels = torch.arange(40).repeat_interleave(20)
    noise = torch.randn(800, 16, generator=torch.Generator().manual_seed(0))
    centres = 10 * torch.randn(40, 16, generator=torch.Generator().manual_seed(1))
    x = centres[labels] + 0.1 * noise
    found = assign(x, kmeans(x, 40, 20, 1, 0, backend))
    assert all(len(found[labels == label].unique()) == 1 for label in range(40))
    assert len(found.unique()) == 40


@pytest.mark.parametrize("clusters", [50, 0])
def test_objective_is_as_low_as_that_of_faiss(clusters):
    """Where there are clusters it is lower, because FAISS's own start, random rows, misses some."""
    faiss = pytest.importorskip("faiss", reason="FAISS is not installed: pip install faiss-cpu")
    x = features(clusters)
    ours = objective(x, kmeans(x, 50, iterations=20, restarts=3, seed=0, backend="faiss"))
    model = faiss.Kmeans(x.shape[1], 50, niter=20, nredo=3, seed=0, max_points_per_centroid=len(x))
    model.train(x.numpy())
    theirs = objective(x, torch.from_numpy(model.centroids))
    assert ours < (0.97 if clusters else 1.005) * theirs
