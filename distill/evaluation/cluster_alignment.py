"""How well k-means clusters of unlabeled features line up with categories (CompRess 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.errors import UserError
from distill.evaluation.features import Features
from distill.evaluation.run import Outcome
from distill.modules.kmeans import assign, kmeans
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Count, Number, check_fields

PROTOCOL = Protocol(
    name="cluster_alignment",
    title="Cluster alignment",
    kind="features",
    metrics={"top1": "top-1"},
    headline="top1",
    about="k-means with one cluster a class on L2-normalised training features, clusters matched to classes "
    "by the Hungarian algorithm, accuracy on val",
    paper="CompRess 4.1",
    tables="Tables 1 and 2",
    sets=("imagenet",),
    default=3,
)


@dataclass(frozen=True)
class Alignment:
    """Outcome of a cluster alignment.

    Attributes:
        accuracy: share of the validation images whose cluster's category is theirs, percent.
        per_class: the same by category, percent (sorted, it is the paper's Figure A1); a category without
            validation images is not in it.
        clusters: cluster of each training image, (N,) (what the grids of Figure A2 draw from).
        category: category that each cluster was given, (C,).
    """

    accuracy: float
    per_class: dict[str, float]
    clusters: Tensor
    category: Tensor


def match(clusters: Tensor, y: Tensor, count: int) -> Tensor:
    """The one-to-one mapping of clusters to categories with the largest total alignment.

    The alignment of a cluster and a category is the number of their common images divided by the size
    of the cluster (0 for an empty cluster); the Hungarian algorithm maximises its sum.

    Args:
        clusters, y: cluster and category of each image, (N,), numbers below ``count``.

    Returns:
        Category of each cluster, (count,).
    """
    from scipy.optimize import linear_sum_assignment  # takes half a second, and few commands come here

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
    of iterations and restarts; its authors' code normalises too, and has 20 iterations from random rows,
    once.

    Metrics: ``top1`` in percent. ``details["per_class"]``: the same by category.
    """

    iterations: Count = 50
    restarts: Count = 3
    seed: Number = 0
    backend: Literal["auto", "faiss", "sklearn"] = "auto"

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        check_fields(self, "cluster_alignment.")

    def run(self, train: Features, val: Features) -> Outcome:
        found = self.align(train, val)
        return Outcome({"top1": found.accuracy}, {"per_class": found.per_class})

    def align(self, train: Features, val: Features) -> Alignment:
        """The alignment in full.

        Raises:
            UserError: fewer training images than categories.
        """
        count = len(train.classes)
        if len(train.x) < count:
            raise UserError(f"cluster alignment: {len(train.x)} training images cannot make {count} clusters")
        x, x_val = F.normalize(train.x), F.normalize(val.x)
        centroids = kmeans(
            x, count, self.iterations, self.restarts, self.seed, self.backend, gpus=train.device != "cpu"
        )
        clusters = assign(x, centroids)
        category = match(clusters, train.y, count)
        right = (category[assign(x_val, centroids)] == val.y).double()
        images = torch.bincount(val.y, minlength=count)
        shares = torch.zeros(count).double().index_add_(0, val.y, right) / images
        per_class = {name: 100 * shares[c].item() for c, name in enumerate(train.classes) if images[c]}
        return Alignment(100 * right.mean().item(), per_class, clusters, category)
