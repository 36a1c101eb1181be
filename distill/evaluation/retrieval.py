"""Image retrieval with frozen features: recall at k (CompRess Table 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from distill.errors import UserError
from distill.evaluation.features import Features
from distill.evaluation.neighbours import nearest
from distill.registry import EVALUATORS


@EVALUATORS.register_module()
@dataclass(frozen=True)
class Retrieval:
    """Each validation image queries the other validation images by cosine similarity; nothing is trained.

    Metrics: ``recall@k``, the percentage of queries with an image of their class among the k nearest.
    """

    k: tuple[int, ...] = (1, 2, 4, 8)
    backend: str = "auto"

    task: ClassVar[str] = "retrieval"

    def run(self, train: Features, val: Features) -> dict[str, float]:
        if len(val.x) < 2:
            raise UserError("retrieval needs at least two validation images")
        _, rows = nearest(val.x, val.x, max(self.k) + 1, self.backend)
        others = rows != torch.arange(len(rows))[:, None]
        # a query with many exact copies may not find itself: then its last neighbour is one too many
        others[others.all(dim=1), -1] = False
        hits = val.y[rows[others].view(len(rows), -1)] == val.y[:, None]
        return {f"recall@{k}": 100 * hits[:, :k].any(dim=1).double().mean().item() for k in self.k}
