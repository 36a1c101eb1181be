"""Nearest neighbours by cosine similarity, through FAISS where it is installed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.modules.kmeans import faiss_for

SCORES_AT_ONCE = 2**26  # similarities held at a time by the torch search: 256 MB


def default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def nearest(queries: Tensor, database: Tensor, k: int, backend: str = "auto") -> tuple[Tensor, Tensor]:
    """The k nearest rows of ``database`` (N, D) to each of ``queries`` (Q, D), by cosine similarity.

    Args:
        k: neighbours wanted; N if that is less.
        backend: ``faiss``, ``torch`` (exact as well, in chunks) or ``auto``: FAISS where installed.

    Returns:
        Similarities (Q, k) in falling order and row numbers (Q, k). The two searches agree up to
        rounding; the order of exactly equal similarities is open.
    """
    faiss = faiss_for(backend, "torch")
    queries, database = F.normalize(queries), F.normalize(database)
    k = min(k, len(database))
    if faiss is None:
        return _nearest_torch(queries, database, k)
    index = faiss.IndexFlatIP(database.shape[1])
    if faiss.get_num_gpus():
        index = faiss.index_cpu_to_all_gpus(index)
    index.add(database.numpy())
    similarity, rows = index.search(queries.numpy(), k)
    return torch.from_numpy(similarity), torch.from_numpy(rows)


def _nearest_torch(queries: Tensor, database: Tensor, k: int) -> tuple[Tensor, Tensor]:
    database = database.to(default_device())
    parts = [
        (chunk.to(database.device) @ database.T).topk(k)
        for chunk in queries.split(max(1, SCORES_AT_ONCE // len(database)))
    ]
    return torch.cat([part.values.cpu() for part in parts]), torch.cat([part.indices.cpu() for part in parts])
