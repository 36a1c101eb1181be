"""Cluster classification: labels from the teacher's cache, made once."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from torch.nn import functional as F

from distill.errors import UserError
from distill.modules.kmeans import kmeans
from distill.registry import MODELS
from distill.targets import Teacher
from distill.targets.cached import CachedTeacher
from distill.targets.clusters import cluster_labels
from tests import processes
from tests.distill.methods.small import small_config


@pytest.fixture
def cached(method_inputs, tmp_path) -> CachedTeacher:
    """The teacher's embeddings in a folder of the test's own."""
    folder = shutil.copytree(
        method_inputs.cache, tmp_path / "cache", ignore=shutil.ignore_patterns("clusters_*")
    )
    return CachedTeacher(str(folder), Teacher(str(method_inputs.moco), output="auto"))


def test_labels_are_the_nearest_of_the_clusters_by_cosine(cached):
    labels = cluster_labels(cached, 4, iterations=20, seed=0)
    x = F.normalize(torch.from_numpy(np.array(cached.rows.array)), dim=1)
    means = torch.stack([x[labels == cluster].mean(0) for cluster in range(4)])
    assert labels.shape == (24,)
    assert torch.equal(torch.cdist(x, means).argmin(1), labels)


def test_labels_are_made_once_for_each_setting(cached, tmp_path):
    first = cluster_labels(cached, 4, 20, seed=0)
    (file,) = tmp_path.glob("cache/clusters_*")
    assert file.name == "clusters_k4_i20_seed0.npz"
    before = file.stat().st_mtime_ns
    assert torch.equal(cluster_labels(cached, 4, 20, seed=0), first)
    assert file.stat().st_mtime_ns == before
    cluster_labels(cached, 4, 20, seed=1)
    assert len(list(tmp_path.glob("cache/clusters_*"))) == 2


def test_labels_of_other_embeddings_are_made_again(cached, tmp_path):
    labels = cluster_labels(cached, 3, 20, seed=0)
    (file,) = tmp_path.glob("cache/clusters_*")
    np.savez(file, labels=np.zeros(24, dtype=np.int64), made_from="another teacher")
    assert torch.equal(cluster_labels(cached, 3, 20, seed=0), labels)


def labels_of_one(rank: int, cache: Path, moco: Path) -> list[int]:
    return cluster_labels(CachedTeacher(cache, Teacher(str(moco), output="auto")), 3, 20, seed=0).tolist()


def test_other_processes_wait_for_the_first(cached, method_inputs, tmp_path):
    found = processes.in_two(labels_of_one, tmp_path, cached.folder, method_inputs.moco)
    assert found == [cluster_labels(cached, 3, 20, seed=0).tolist()] * 2


def test_more_clusters_than_embeddings_is_one_line(cached):
    with pytest.raises(UserError, match=r"model\.clusters is 25; .* has 24 embeddings only"):
        cluster_labels(cached, 25, 20, seed=0)


def test_a_teacher_without_cache_is_one_line(method_inputs):
    config = small_config("cluster_classification", method_inputs)
    config.model.teacher.cache = None
    with (
        DefaultScope.overwrite_default_scope("distill"),
        pytest.raises(UserError, match=r"tools/cache_teacher\.py"),
    ):
        MODELS.build(config.model)


@pytest.mark.parametrize("name", ["cluster_classification", "seed_kmeans"])
def test_loss_is_the_cross_entropy_of_the_samples_cluster(name, method_inputs):
    with DefaultScope.overwrite_default_scope("distill"):
        model = MODELS.build(small_config(name, method_inputs).model).eval()
    views, index = [torch.rand(3, 3, 32, 32)], torch.tensor([5, 0, 5])
    with torch.no_grad():
        logits = model.classifier(model.head(model.student(views[0]))).double().numpy()
        found = model.loss(views, index)["loss"].item()
    pairs = zip(logits, model.labels[index].tolist(), strict=True)
    expected = -np.mean([row[label] - np.log(np.exp(row).sum()) for row, label in pairs])
    assert found == pytest.approx(expected, rel=1e-5)
    assert logits.shape[1] == 2, "a cluster for 80 images, but two at least"


def test_random_start_is_of_different_rows():
    x = torch.eye(6)
    found = kmeans(x, 6, iterations=1, restarts=1, seed=0, start="random")
    assert sorted(found.argmax(1).tolist()) == list(range(6))
    with pytest.raises(UserError, match="valid: spread, random"):
        kmeans(x, 6, 1, 1, 0, start="spred")
