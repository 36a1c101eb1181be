from itertools import permutations

import pytest
import torch

from distill.errors import UserError
from distill.evaluation import ClusterAlignment, Features
from distill.evaluation.cluster_alignment import match
from distill.modules.kmeans import assign, kmeans, spread_centroids


def test_matching_by_hand():
    """Greedy matching would give cluster 0 its favourite, category 0, and lose cluster 1's.

    Shares: cluster 0 (5 images): 3/5 of category 0, 2/5 of 1. Cluster 1 (4 images): all of category 0.
    Cluster 2 (3 images): all of category 2. Best: 0 -> 1 (0.4), 1 -> 0 (1.0), 2 -> 2 (1.0).
    """
    clusters = torch.tensor([0] * 5 + [1] * 4 + [2] * 3)
    y = torch.tensor([0, 0, 0, 1, 1] + [0] * 4 + [2] * 3)
    assert match(clusters, y, 3).tolist() == [1, 0, 2]


def test_alignment_divides_by_the_cluster_not_by_the_category():
    """A small pure cluster outweighs a large mixed one with more images of the category."""
    clusters = torch.tensor([0] * 10 + [1] * 2)
    y = torch.tensor([0] * 5 + [1] * 5 + [0] * 2)
    assert match(clusters, y, 2).tolist() == [1, 0]


def test_matching_is_the_best_of_all_mappings():
    generator = torch.Generator().manual_seed(0)
    clusters, y = (torch.randint(5, (60,), generator=generator) for _ in range(2))
    clusters[clusters == 4] = 3  # an empty cluster is allowed
    share = torch.zeros(5, 5)
    for cluster in range(4):
        for category in range(5):
            share[cluster, category] = (y[clusters == cluster] == category).float().mean()
    best = max(sum(share[c, p[c]] for c in range(5)) for p in permutations(range(5)))
    got = match(clusters, y, 5)
    assert sorted(got.tolist()) == [0, 1, 2, 3, 4]
    assert sum(share[c, got[c]] for c in range(5)) == pytest.approx(best.item())


@pytest.mark.parametrize("backend", ["faiss", "sklearn"])
def test_separable_classes_are_all_right(separable, backend):
    if backend == "faiss":
        pytest.importorskip("faiss", reason="FAISS is not installed: pip install faiss-cpu")
    evaluator = ClusterAlignment(backend=backend)
    found = evaluator.run(*separable)
    assert found.metrics == {"top1": 100.0}
    assert found.details == {"per_class": {f"class {number}": 100.0 for number in range(7)}}


def test_meaningless_classes_are_at_chance(meaningless):
    assert ClusterAlignment().run(*meaningless).metrics["top1"] == pytest.approx(100 / 7, abs=6)


def test_accuracy_by_category(separable):
    """Category 0's validation images hold category 1's features: 0 % there, 100 % elsewhere."""
    train, val = separable
    x = val.x.clone()
    x[val.y == 0] = val.x[val.y == 1]
    found = ClusterAlignment().align(train, Features(x, val.y, val.classes))
    assert list(found.per_class.values()) == [0.0] + [100.0] * 6
    assert found.accuracy == pytest.approx(600 / 7)
    assert found.clusters.shape == train.y.shape
    assert torch.equal(found.category[found.clusters], train.y)


@pytest.mark.parametrize("backend", ["auto", "sklearn"])
def test_same_seed_same_clusters(meaningless, backend):
    x = torch.nn.functional.normalize(meaningless[0].x)
    before = torch.get_rng_state()
    first = kmeans(x, 7, 20, 2, seed=5, backend=backend)
    assert torch.equal(first, kmeans(x, 7, 20, 2, seed=5, backend=backend))
    assert not torch.equal(first, kmeans(x, 7, 20, 2, seed=6, backend=backend))
    assert torch.equal(torch.get_rng_state(), before)


def test_faiss_and_sklearn_find_the_same_clusters(separable):
    pytest.importorskip("faiss", reason="FAISS is not installed: pip install faiss-cpu")
    found = [kmeans(separable[0].x, 7, 20, 1, seed=2, backend=backend) for backend in ("faiss", "sklearn")]
    torch.testing.assert_close(*found)


def test_start_is_spread_over_the_clusters(separable):
    """One centroid from each of seven far-off blobs, for every seed."""
    train, _ = separable
    for seed in range(20):
        start = spread_centroids(train.x, 7, torch.Generator().manual_seed(seed))
        labels = train.y[torch.cdist(start, train.x).argmin(1)]
        assert sorted(labels.tolist()) == list(range(7))


def test_start_among_copies_of_one_point():
    assert spread_centroids(torch.ones(9, 4), 3, torch.Generator()).shape == (3, 4)


def test_assignment_is_to_the_nearest_centroid():
    generator = torch.Generator().manual_seed(0)
    x, centroids = torch.randn(40, 6, generator=generator), torch.randn(5, 6, generator=generator)
    assert torch.equal(assign(x, centroids), torch.cdist(x, centroids).argmin(1))


def test_length_of_the_features_does_not_matter(separable):
    train, val = separable
    lengths = torch.linspace(0.1, 10, len(train.x))[:, None]
    stretched = Features(train.x * lengths, train.y, train.classes)
    assert ClusterAlignment().run(stretched, val).metrics == {"top1": 100.0}


def test_a_category_without_validation_images_has_no_accuracy(separable):
    train, val = separable
    seen = val.y != 3
    found = ClusterAlignment().run(train, Features(val.x[seen], val.y[seen], val.classes))
    assert found.details["per_class"].keys() == set(val.classes) - {"class 3"}


def test_fewer_images_than_categories_is_an_error():
    few = Features(torch.eye(2), torch.arange(2), ("a", "b", "c"))
    with pytest.raises(UserError, match="2 training images cannot make 3 clusters"):
        ClusterAlignment().run(few, few)
