"""k-means, through FAISS where it is installed."""

from __future__ import annotations

import math
from functools import partial
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from distill.errors import UserError

DISTANCES_AT_ONCE = 2**20  # 4 MB: larger blocks leave the processor's cache
DRAWS_AT_ONCE = 512


def faiss_for(backend: str, other: str) -> ModuleType | None:
    """The ``faiss`` module (of faiss-cpu or faiss-gpu) where ``backend`` asks for it, else None.

    Args:
        backend: ``faiss``, the ``other`` implementation's name, or ``auto``: FAISS where installed.

    Raises:
        UserError: another name, or ``faiss`` where it is not installed.
    """
    if backend not in ("auto", "faiss", other):
        raise UserError(f"backend is {backend!r}; valid: auto, faiss, {other}")
    if backend == other:
        return None
    try:
        import faiss
    except ImportError as error:
        if backend == "faiss":
            raise UserError(
                f"FAISS is not installed (pip install faiss-cpu); valid: auto, {other}"
            ) from error
        return None
    return faiss


def kmeans(
    x: Tensor,
    k: int,
    iterations: int,
    restarts: int,
    seed: int,
    backend: str = "auto",
    start: str = "spread",
    gpus: bool = True,
) -> Tensor:
    """Euclidean k-means on all rows of ``x`` (N, D); the best of ``restarts`` runs.

    Args:
        iterations: at most.
        start: ``spread`` (k-means++), which costs about as much as four of the ``iterations``, or ``random``
            rows as in FAISS, which often leave even well separated clusters merged.
        gpus: FAISS may use those that it has.
        backend: ``faiss``, ``sklearn`` or ``auto``: FAISS where installed. Both give the same centroids
            up to rounding, except where a cluster runs empty.

    Returns:
        Centroids (k, D).
    """
    faiss = faiss_for(backend, "sklearn")
    lloyd = _lloyd_sklearn if faiss is None else partial(_lloyd_faiss, faiss, gpus)
    if start not in STARTS:
        raise UserError(f"k-means start {start!r}; valid: {', '.join(STARTS)}")
    generator = torch.Generator().manual_seed(seed)
    runs = [lloyd(x, STARTS[start](x, k, generator), iterations) for _ in range(restarts)]
    return torch.from_numpy(min(runs, key=lambda run: run[0])[1])


def spread_centroids(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """The best k of 2k rows that k-means++ draws: (k, D).

    Each drawn row stands for all rows of ``x`` (N, D) that are nearest to it. Among the drawn rows k-means++
    proceeds as its authors advise (section 7): of a few draws it takes the one that lowers the sum of
    squared distances most. Drawing more rows and clustering them is the idea of k-means|| (Bahmani et al.,
    VLDB 2012).
    """
    drawn, nearest = drawn_rows(x, min(2 * k, len(x)), generator)
    between = torch.cdist(drawn, drawn).square_()
    size = torch.bincount(nearest, minlength=len(drawn)).float()
    chosen = [_draw(size, 1, generator).item()]
    distance = between[chosen[0]]
    while len(chosen) < k:
        some = _draw(size * distance, 2 + int(math.log(k)), generator)
        distances = torch.minimum(distance, between[some])
        best = (distances @ size).argmin()
        chosen.append(some[best].item())
        distance = distances[best]
    return drawn[chosen]


def drawn_rows(x: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """k-means++ (Arthur and Vassilvitskii, SODA 2007): each row is drawn with a probability proportional to
    its squared distance to the nearest row drawn before it.

    Rows are drawn in groups, by the distances before the group. A row that another row of its group has
    brought nearer counts with probability (distance now) / (distance then). The rows that count are
    distributed as if they had been drawn one at a time, and all of ``x`` is read once for some hundred
    rows, not once for each.

    Args:
        x: (N, D).

    Returns:
        ``count`` rows of ``x``, (count, D), and which of them is nearest to each row of ``x``, (N,).
    """
    rows, latest = x[:0], x[torch.randint(len(x), (1,), generator=generator)]
    distance, nearest = torch.full((len(x),), torch.inf), torch.zeros(len(x), dtype=torch.long)
    while True:
        found, number = squared_distance(x, latest)
        nearest = torch.where(found < distance, len(rows) + number, nearest)
        distance = torch.minimum(distance, found)
        rows = torch.cat([rows, latest])
        if len(rows) == count:
            return rows, nearest
        drawn = _draw(distance, DRAWS_AT_ONCE, generator)
        chances = torch.rand(DRAWS_AT_ONCE, generator=generator)
        latest = x[drawn][_that_count(x[drawn], distance[drawn], chances)][: count - len(rows)]


def _draw(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` row numbers, each with probability proportional to ``weights`` (N,)."""
    total = weights.double().cumsum(0)
    points = torch.rand(count, dtype=torch.float64, generator=generator) * total[-1]
    return torch.searchsorted(total, points).clamp_(max=len(weights) - 1)


def _that_count(rows: Tensor, distance: Tensor, chances: Tensor) -> Tensor:
    """Which of the rows (B, D) of a group count, in order: (B,) bool.

    Args:
        distance: squared, of each to the nearest row drawn before the group, (B,).
        chances: uniform in [0, 1), (B,).
    """
    between = torch.cdist(rows, rows).square_()
    now = distance.clone()
    counts = torch.zeros(len(rows), dtype=torch.bool)
    for number, limit in enumerate(chances * distance):
        # the first row always counts, even where all distances are 0 because too few rows differ
        if number == 0 or limit < now[number]:
            counts[number] = True
            now = torch.minimum(now, between[number])
    return counts


def random_centroids(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """``k`` different rows of ``x`` (N, D): (k, D)."""
    return x[torch.randperm(len(x), generator=generator)[:k]]


STARTS = {"spread": spread_centroids, "random": random_centroids}


def _lloyd_faiss(
    faiss: ModuleType, gpus: bool, x: Tensor, start: Tensor, iterations: int
) -> tuple[float, np.ndarray]:
    """Objective and centroids; FAISS always does all the iterations."""
    model = faiss.Kmeans(
        x.shape[1], len(start), niter=iterations, gpu=faiss.get_num_gpus() if gpus else 0,
        min_points_per_centroid=1, max_points_per_centroid=len(x),  # else it samples 256 rows a cluster
    )  # fmt: skip
    objective = model.train(x.numpy(), init_centroids=start.numpy())
    return float(objective), model.centroids


def _lloyd_sklearn(x: Tensor, start: Tensor, iterations: int) -> tuple[float, np.ndarray]:
    from sklearn.cluster import KMeans

    model = KMeans(len(start), init=start.numpy(), n_init=1, max_iter=iterations, tol=0).fit(x.numpy())
    return model.inertia_, model.cluster_centers_


def assign(x: Tensor, centroids: Tensor) -> Tensor:
    """Number of the nearest centroid (k, D) to each row of ``x`` (N, D): (N,)."""
    return squared_distance(x, centroids)[1]


def squared_distance(x: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance of each row of ``x`` (N, D) to the nearest centroid (k, D), and which: (N,) each."""
    half = centroids.square().sum(1) / 2  # |x - c|^2 = |x|^2 + 2 (|c|^2 / 2 - xc)
    parts = x.split(max(1, DISTANCES_AT_ONCE // len(centroids)))
    found = [torch.addmm(half, part, centroids.T, alpha=-1).min(1) for part in parts]
    least, number = (torch.cat(of_parts) for of_parts in zip(*found, strict=True))
    return least.mul_(2).add_(torch.linalg.vector_norm(x, dim=1).square_()).clamp_(min=0), number
