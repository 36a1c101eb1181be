"""How well k-means clusters of unlabeled features line up with categories (CompRess 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import ClassVar

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from distill.errors import UserError
from distill.evaluation.features import Features
from distill.evaluation.neighbours import faiss_for
from distill.registry import EVALUATORS

ROWS_AT_ONCE = 2**14


@dataclass(frozen=True)
class Alignment:
    """Outcome of a cluster alignment.

    Attributes:
        accuracy: share of the validation images whose cluster's category is theirs, percent.
        per_class: the same by category, (C,) percent (sorted, it is the paper's Figure A1); NaN for a
            category without validation images.
        clusters: cluster of each training image, (N,) (what the grids of Figure A2 draw from).
        category: category that each cluster was given, (C,).
    """

    accuracy: float
    per_class: Tensor
    clusters: Tensor
    category: Tensor


def kmeans(x: Tensor, k: int, iterations: int, restarts: int, seed: int, backend: str = "auto") -> Tensor:
    """Euclidean k-means on all rows of ``x`` (N, D); the best of ``restarts`` runs.

    Runs start from k-means++ centroids: random ones, FAISS's habit, often leave even well separated
    clusters merged.

    Args:
        iterations: at most.
        backend: ``faiss``, ``sklearn`` or ``auto``: FAISS where installed. Both give the same centroids
            up to rounding, except where a cluster runs empty.

    Returns:
        Centroids (k, D).
    """
    lloyd = (
        _lloyd_sklearn if (faiss := faiss_for(backend, "sklearn")) is None else partial(_lloyd_faiss, faiss)
    )
    generator = torch.Generator().manual_seed(seed)
    runs = [lloyd(x, spread_centroids(x, k, generator), iterations) for _ in range(restarts)]
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


def match(clusters: Tensor, y: Tensor, count: int) -> Tensor:
    """The one-to-one mapping of clusters to categories with the largest total alignment.

    The alignment of a cluster and a category is the number of their common images divided by the size
    of the cluster (0 for an empty cluster); the Hungarian algorithm maximises its sum.

    Args:
        clusters, y: cluster and category of each image, (N,), numbers below ``count``.

    Returns:
        Category of each cluster, (count,).
    """
    common = torch.bincount(clusters * count + y, minlength=count * count).view(count, count).double()
    alignment = common / common.sum(1, keepdim=True).clamp(min=1)
    _, category = linear_sum_assignment(alignment.numpy(), maximize=True)
    return torch.from_numpy(category)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class ClusterAlignment:
    """k-means on the training features, clusters mapped one to one to categories, accuracy on val.

    What is clustered: L2-normalised features, in Euclidean distance; as many clusters as categories.
    Labels serve only to name the clusters. The paper states neither the normalisation nor the number
    of iterations and restarts. ``align`` gives per-category accuracies as well.

    Metrics: ``top1`` in percent.
    """

    iterations: int = 50
    restarts: int = 3
    seed: int = 0
    backend: str = "auto"

    task: ClassVar[str] = "cluster_alignment"

    def run(self, train: Features, val: Features) -> dict[str, float]:
        return {"top1": self.align(train, val).accuracy}

    def align(self, train: Features, val: Features) -> Alignment:
        """The alignment in full.

        Raises:
            UserError: fewer training images than categories.
        """
        count = len(train.classes)
        if len(train.x) < count:
            raise UserError(f"cluster alignment: {len(train.x)} training images cannot make {count} clusters")
        x, x_val = F.normalize(train.x), F.normalize(val.x)
        centroids = kmeans(x, count, self.iterations, self.restarts, self.seed, self.backend)
        clusters = assign(x, centroids)
        category = match(clusters, train.y, count)
        right = (category[assign(x_val, centroids)] == val.y).double()
        images = torch.bincount(val.y, minlength=count)
        per_class = 100 * torch.zeros(count).double().index_add_(0, val.y, right) / images
        return Alignment(100 * right.mean().item(), per_class, clusters, category)
