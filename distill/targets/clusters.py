"""Cluster labels of a teacher cache: computed once, kept beside the embeddings."""

import json
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.nn import functional as F

from distill.distributed import rank
from distill.errors import Odd, UserError
from distill.features import read_record
from distill.modules.kmeans import assign, kmeans
from distill.results.atomic import atomic_path
from distill.targets.cached import CachedTeacher


def cluster_labels(teacher: CachedTeacher, clusters: int, iterations: int, seed: int) -> Tensor:
    """k-means of the cache's L2-normalised embeddings: number of each image's cluster, (N,) int64.

    They are kept in the cache's folder, in a file named after the arguments, and made again if the file is
    damaged or the embeddings have been replaced since. The first process computes; the others wait for its
    file (on storage that all share) and not in a collective operation, which would time out. All embeddings
    must fit into memory: 10 GB for ImageNet and a ResNet-50.

    Raises:
        UserError: fewer embeddings than clusters.
    """
    folder = Path(teacher.folder)
    file = folder / f"clusters_k{clusters}_i{iterations}_seed{seed}.npz"
    made_from = json.dumps(read_record(folder)["made_from"], sort_keys=True)
    if clusters > len(teacher.rows):
        raise UserError(f"model.clusters is {clusters}; {folder} has {len(teacher.rows)} embeddings only")
    shape = (len(teacher.rows),)
    labels = _read(file, made_from, shape, clusters)
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
        labels = _read(file, made_from, shape, clusters)
    return labels


def _read(file: Path, made_from: str, shape: tuple[int], clusters: int) -> Tensor | None:
    """The labels, if there are any, they are whole and they belong to these embeddings."""
    if not file.is_file():
        return None
    try:
        with np.load(file) as found:
            labels, of = found["labels"], str(found["made_from"])
    except (ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        warnings.warn(f"{file}: damaged ({error}), made again", Odd, stacklevel=2)
        return None
    whole = labels.shape == shape and labels.dtype == np.int64 and np.all((labels >= 0) & (labels < clusters))
    return torch.from_numpy(labels) if whole and of == made_from else None
