"""Feature matching against a slow transcription, and what it asks of its teacher."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from distill.backbones import Backbone
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
    if model.student.has_layers_behind_pooling:
        own = model.student.feature_map(batches[-1]).mean((2, 3))
    error = (model.head(own).numpy() - target) ** 2
    theirs = target_map.movedim(1, -1).numpy() - pixels.mean(0)
    ours = model.map_head(own_map).movedim(1, -1).numpy()
    norms = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    found = {"loss_features": error.mean(), "loss_map": (1 - (ours * theirs).sum(-1) / norms).mean()}
    if model.student.has_layers_behind_pooling:
        last = model.last_head(model.student(batches[-1])).numpy()
        found["loss_last_layers"] = ((last - target) ** 2).mean()
    return found


@pytest.mark.parametrize("student", ["test_resnet", "mobilenetv3_small_050"])
def test_it_is_the_formula_with_moments_of_all_batches_so_far(student, method_inputs):
    model = build(method_inputs, student={"arch": student})
    assert losses(model, VIEWS[0]) == pytest.approx(transcription(model, VIEWS[:1]), rel=1e-4)
    assert losses(model, VIEWS[1]) == pytest.approx(transcription(model, VIEWS), rel=1e-4)


def test_the_map_may_count_more_or_not_at_all(method_inputs):
    torch.manual_seed(0)
    once = losses(build(method_inputs), VIEWS[0])
    torch.manual_seed(0)
    twice = losses(build(method_inputs, map_weight=2.0), VIEWS[0])
    assert twice == pytest.approx({**once, "loss_map": 2 * once["loss_map"]})
    alone = losses(build(method_inputs, map_weight=0.0), VIEWS[0])
    assert alone.keys() == {"loss_features"}


@pytest.mark.parametrize("student", ["test_resnet", "mobilenetv3_small_050"])
def test_every_weight_of_the_student_that_its_features_need_is_trained(student, method_inputs):
    model = build(method_inputs, student={"arch": student}).train()
    sum(model.loss([VIEWS[0]], torch.arange(5)).values()).backward()
    assert [name for name, each in model.named_parameters() if each.grad is None] == []


def test_layers_behind_the_pooling_learn_and_leave_the_others_alone(method_inputs):
    model = build(method_inputs, student={"arch": "mobilenetv3_small_050"}, map_weight=0.0).train()
    model.loss([VIEWS[0]], torch.arange(5))["loss_last_layers"].backward()
    touched = {name for name, each in model.student.named_parameters() if each.grad is not None}
    assert touched == {"net.conv_head.weight", "net.conv_head.bias"}


@pytest.mark.parametrize(
    "arch, behind",
    [("mobilenetv3_small_050", True), ("mobilenetv4_conv_small_050", True), ("lcnet_035", True),
     ("ghostnet_050", True), ("test_resnet", False), ("test_efficientnet", False), ("test_convnext", False),
     ("test_vit", False), ("alexnet_compress", False)],
)  # fmt: skip
def test_which_networks_have_such_layers(arch, behind):
    network = Backbone(arch)
    before = torch.get_rng_state()
    assert network.has_layers_behind_pooling is behind and torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        picture = torch.rand(2, 3, network.measured_at, network.measured_at)
        final = network.eval().final(picture)
        assert torch.equal(network.finish(final), network(picture))
        assert network.pooled(final).shape == (2, network.pooled_width)


def test_a_cache_has_no_maps(method_inputs):
    with pytest.raises(UserError, match="needs maps .*leave out --teacher-cache, or .*model.map_weight=0"):
        build(method_inputs, "feature_matching_no_map", map_weight=1.0)
