"""k-means, through FAISS where it is installed."""

from __future__ import annotations

from functools import partial
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from distill.errors import UserError

ROWS_AT_ONCE = 2**14


def faiss_for(backend: str, other: str) -> ModuleType | None:
    """The ``faiss`` module (of faiss-cpu or faiss-gpu) where ``backend`` asks for it, else None.

    Args:
        backend: ``faiss``, the ``other`` implementation's name, or ``auto``: FAISS where installed.
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
) -> Tensor:
    """Euclidean k-means on all rows of ``x`` (N, D); the best of ``restarts`` runs.

    Args:
        iterations: at most.
        start: ``spread`` (k-means++) or ``random`` rows, FAISS's habit, which often leave even well
            separated clusters merged. But k-means++ passes over all rows once a centroid: for 16,000
            centroids of ImageNet's features that is 16,000 times 10 GB, and there random rows must do.
        backend: ``faiss``, ``sklearn`` or ``auto``: FAISS where installed. Both give the same centroids
            up to rounding, except where a cluster runs empty.

    Returns:
        Centroids (k, D).
    """
    lloyd = (
        _lloyd_sklearn if (faiss := faiss_for(backend, "sklearn")) is None else partial(_lloyd_faiss, faiss)
    )
    if start not in STARTS:
        raise UserError(f"k-means start {start!r}; valid: {', '.join(STARTS)}")
    generator = torch.Generator().manual_seed(seed)
    runs = [lloyd(x, STARTS[start](x, k, generator), iterations) for _ in range(restarts)]
    return torch.from_numpy(min(runs, key=lambda run: run[0])[1])


def spread_centroids(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next centroid is a row drawn with weight of its squared distance to the nearest.

    Args:
        x: (N, D).

    Returns:
        Centroids (k, D), rows of ``x``.
    """
    row = torch.randint(len(x), (1,), generator=generator)
    centroids, distance = [x[row]], None
    while len(centroids) < k:
        latest = (x - centroids[-1]).square_().sum(1).double()
        distance = latest if distance is None else torch.minimum(distance, latest)
        total = distance.cumsum(0)
        point = torch.rand(1, dtype=torch.float64, generator=generator) * total[-1]
        centroids.append(x[torch.searchsorted(total, point).clamp_(max=len(x) - 1)])
    return torch.cat(centroids)


def random_centroids(x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """``k`` different rows of ``x`` (N, D): (k, D)."""
    return x[torch.randperm(len(x), generator=generator)[:k]]


STARTS = {"spread": spread_centroids, "random": random_centroids}


def _lloyd_faiss(faiss: ModuleType, x: Tensor, start: Tensor, iterations: int) -> tuple[float, np.ndarray]:
    """Objective and centroids; FAISS always does all the iterations."""
    model = faiss.Kmeans(
        x.shape[1], len(start), niter=iterations, gpu=faiss.get_num_gpus(),
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
    half = centroids.square().sum(1) / 2  # |x - c|^2 / 2 without its constant |x|^2 / 2
    return torch.cat([(half - part @ centroids.T).argmin(1) for part in x.split(ROWS_AT_ONCE)])
