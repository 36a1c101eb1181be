"""Image retrieval with frozen features: recall at k (CompRess Table 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from distill.errors import UserError
from distill.evaluation.features import Features
from distill.evaluation.neighbours import nearest
from distill.registry import EVALUATORS
from distill.results.protocol import Protocol
from distill.settings import Counts, check_fields

PROTOCOL = Protocol(
    name="retrieval",
    title="Image retrieval",
    kind="features",
    metrics={"recall@1": "R@1", "recall@2": "R@2", "recall@4": "R@4", "recall@8": "R@8"},
    headline="recall@1",
    about="every val image queries the other val images; nothing is trained",
    paper="CompRess",
    tables="Table 4",
    sets=("cub200_by_class", "cub200_by_image", "cars196_by_class", "cars196_by_image"),
    parts=("val",),
)


@EVALUATORS.register_module()
@dataclass(frozen=True)
class Retrieval:
    """Each validation image queries the other validation images by cosine similarity; nothing is trained.

    The paper does not say how it splits CUB-200 and Cars-196: each is there by class, as in metric learning,
    and by image, as published.

    Metrics: ``recall@k``, the percentage of queries with an image of their class among the k nearest.
    """

    k: Counts = (1, 2, 4, 8)
    backend: Literal["auto", "faiss", "torch"] = "auto"

    protocol: ClassVar[Protocol] = PROTOCOL

    def __post_init__(self):
        check_fields(self, "retrieval.")

    def run(self, train: Features | None, val: Features) -> dict[str, float]:
        if len(val.x) < 2:
            raise UserError("retrieval needs at least two validation images")
        _, rows = nearest(val.x, val.x, max(self.k) + 1, self.backend, val.device)
        others = rows != torch.arange(len(rows))[:, None]
        # a query with many exact copies may not find itself: then its last neighbour is one too many
        others[others.all(dim=1), -1] = False
        hits = val.y[rows[others].view(len(rows), -1)] == val.y[:, None]
        return {f"recall@{k}": 100 * hits[:, :k].any(dim=1).double().mean().item() for k in self.k}
