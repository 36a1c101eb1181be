"""Feature matching against a slow transcription, and what it asks of its teacher."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from distill.errors import UserError
from distill.registry import MODELS
from tests.distill.methods.small import small_config

VIEWS = torch.rand(2, 5, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def build(method_inputs, name="feature_matching", **settings):
    config = small_config(name, method_inputs).model
    config.update(settings)
    with DefaultScope.overwrite_default_scope("distill"):
        return MODELS.build(config).eval()


def losses(model, view):
    found = model.loss([view], torch.arange(len(view)))
    return {name: value.item() for name, value in found.items()}


def flat(maps):
    return maps.double().movedim(1, -1).flatten(0, 2).numpy()


@torch.no_grad()
def transcription(model, batches) -> dict:
    """The losses of the last of these batches of pictures, in NumPy."""
    pairs = [
        [network.features_and_inner_map(view) for network in (model.teacher.backbone, model.student)]
        for view in batches
    ]
    embeddings = np.concatenate([teacher[0].double().numpy() for teacher, _ in pairs])
    pixels = np.concatenate(
        [teacher[1].double().movedim(1, -1).flatten(0, 2).numpy() for teacher, _ in pairs]
    )
    (features, target_map), (own, own_map) = pairs[-1]
    target = (features.numpy() - embeddings.mean(0)) / np.sqrt(embeddings.var(0) + 1e-5)
    error = (model.head(own).numpy() - target) ** 2
    theirs = target_map.movedim(1, -1).numpy() - pixels.mean(0)
    ours = model.map_head(own_map).movedim(1, -1).numpy()
    norms = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    return {"loss_features": error.mean(), "loss_map": (1 - (ours * theirs).sum(-1) / norms).mean()}


def test_it_is_the_formula_with_moments_of_all_batches_so_far(method_inputs):
    model = build(method_inputs)
    assert losses(model, VIEWS[0]) == pytest.approx(transcription(model, VIEWS[:1]), rel=1e-4)
    assert losses(model, VIEWS[1]) == pytest.approx(transcription(model, VIEWS), rel=1e-4)


def test_the_map_may_count_more_or_not_at_all(method_inputs):
    torch.manual_seed(0)
    once = losses(build(method_inputs), VIEWS[0])
    torch.manual_seed(0)
    twice = losses(build(method_inputs, map_weight=2.0), VIEWS[0])
    assert twice == pytest.approx({**once, "loss_map": 2 * once["loss_map"]})
    alone = losses(build(method_inputs, map_weight=0.0), VIEWS[0])
    assert alone.keys() == {"loss"}


def test_every_weight_of_the_student_that_its_features_need_is_trained(method_inputs):
    model = build(method_inputs).train()
    sum(model.loss([VIEWS[0]], torch.arange(5)).values()).backward()
    assert [name for name, each in model.named_parameters() if each.grad is None] == []


def test_a_cache_has_no_maps(method_inputs):
    with pytest.raises(UserError, match="needs maps .*leave out --teacher-cache, or .*model.map_weight=0"):
        build(method_inputs, "feature_matching_no_map", map_weight=1.0)
