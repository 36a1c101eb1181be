"""Cluster labels of a teacher cache: computed once, kept beside the embeddings."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.nn import functional as F

from distill.distributed import rank
from distill.errors import UserError
from distill.modules.kmeans import assign, kmeans
from distill.results.atomic import atomic_path
from distill.targets.cached import CachedTeacher


def cluster_labels(teacher: CachedTeacher, clusters: int, iterations: int, seed: int) -> Tensor:
    """k-means of the cache's L2-normalised embeddings: number of each image's cluster, (N,) int64.

    They are kept in the cache's folder, in a file named after the arguments, and made again if the
    embeddings have been replaced since. The first process computes; the others wait for its file (on
    storage that all share) and not in a collective operation, which would time out. All embeddings must
    fit into memory: 10 GB for ImageNet and a ResNet-50.

    Raises:
        UserError: fewer embeddings than clusters.
    """
    folder = Path(teacher.folder)
    file = folder / f"clusters_k{clusters}_i{iterations}_seed{seed}.npz"
    made_from = json.dumps(json.loads((folder / "cache.json").read_text())["made_from"], sort_keys=True)
    if clusters > len(teacher.rows):
        raise UserError(f"model.clusters is {clusters}; {folder} has {len(teacher.rows)} embeddings only")
    labels = _read(file, made_from)
    if labels is None and rank() == 0:
        print_log(f"clustering {len(teacher.rows)} embeddings into {clusters}, once: {file}")
        x = torch.from_numpy(np.array(teacher.rows.array, dtype=np.float32))
        x = F.normalize(x, dim=1, out=x)
        # as in CompRess's kmeans.py: random rows, one run
        labels = assign(x, kmeans(x, clusters, iterations, restarts=1, seed=seed, start="random"))
        with atomic_path(file) as part, open(part, "wb") as stream:
            np.savez(stream, labels=labels.numpy(), made_from=made_from)
    while labels is None:
        time.sleep(1)
        labels = _read(file, made_from)
    return labels


def _read(file: Path, made_from: str) -> Tensor | None:
    """The labels, if there are any and they belong to these embeddings."""
    if not file.is_file():
        return None
    with np.load(file) as found:
        return torch.from_numpy(found["labels"]) if str(found["made_from"]) == made_from else None
