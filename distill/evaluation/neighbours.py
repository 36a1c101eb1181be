"""Nearest neighbours by cosine similarity, through FAISS where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.modules.kmeans import faiss_for

ROWS_AT_ONCE = 2**14  # of queries and of the database that are normalised, and compared, at a time
SCORES_AT_ONCE = 2**24  # similarities that the torch search holds: 64 MB

Search = Callable[[Tensor, int], tuple[Tensor, Tensor]]  # queries (Q, D), k -> products, rows (Q, k)


def nearest(
    queries: Tensor, database: Tensor, k: int, backend: str = "auto", device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """The k nearest rows of ``database`` (N, D) to each of ``queries`` (Q, D), by cosine similarity.

    Neither is copied as a whole: besides them and the result it takes memory for ``ROWS_AT_ONCE`` rows.

    Args:
        k: neighbours wanted; N if that is less.
        backend: ``faiss``, ``torch`` (exact as well) or ``auto``: FAISS where installed.
        device: where to compare; FAISS takes all GPUs that it has, or the CPU.

    Returns:
        Similarities (Q, k) in falling order and row numbers (Q, k). The two searches agree up to
        rounding; the order of exactly equal similarities is open.
    """
    faiss = faiss_for(backend, "torch")
    search_in = partial(_in_torch, device) if faiss is None else partial(_in_faiss, faiss, device)
    k = min(k, len(database))
    similarity, rows = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.long)
    for first in range(0, len(database), ROWS_AT_ONCE):
        part = F.normalize(database[first : first + ROWS_AT_ONCE])
        search = search_in(part)
        found = [search(F.normalize(some), min(k, len(part))) for some in queries.split(ROWS_AT_ONCE)]
        similarity = torch.cat([similarity, torch.cat([values for values, _ in found])], dim=1)
        rows = torch.cat([rows, torch.cat([numbers for _, numbers in found]) + first], dim=1)
        similarity, best = similarity.topk(min(k, similarity.shape[1]))
        rows = rows.gather(1, best)
    return similarity, rows


def _in_faiss(faiss: ModuleType, device: str, part: Tensor) -> Search:
    index = faiss.IndexFlatIP(part.shape[1])
    if device != "cpu" and faiss.get_num_gpus():
        index = faiss.index_cpu_to_all_gpus(index)
    index.add(part.numpy())

    def search(queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        products, rows = index.search(queries.numpy(), k)
        return torch.from_numpy(products), torch.from_numpy(rows)

    return search


def _in_torch(device: str, part: Tensor) -> Search:
    part = part.to(device)

    def search(queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        some = queries.split(max(1, SCORES_AT_ONCE // len(part)))
        found = [(chunk.to(part.device) @ part.T).topk(k) for chunk in some]
        return torch.cat([each.values.cpu() for each in found]), torch.cat(
            [each.indices.cpu() for each in found]
        )

    return search
