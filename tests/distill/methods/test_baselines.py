"""The baselines that are a loss and a head: which settings mean which baseline."""

import pytest
import torch
from mmengine.registry import DefaultScope
from torch.nn import functional as F

from distill.errors import UserError
from distill.losses import match_logits, noise_contrastive_loss, regression_loss
from distill.registry import MODELS
from tests.distill.methods.small import small_config


def build(name, method_inputs, **settings):
    config = small_config(name, method_inputs).model
    config.update(settings)
    with DefaultScope.overwrite_default_scope("distill"):
        return MODELS.build(config).eval()


@pytest.mark.parametrize(
    ("name", "normalisation", "layers", "width"),
    [("reg", "none", 1, 512), ("reg_bn", "batch_norm", 1, 512), ("seed_l2", "l2", 3, 128)],
)
def test_regression(name, normalisation, layers, width, method_inputs):
    """Reg and Reg-BN map linearly to the backbone's features, SEED's l2 by a hidden layer to the head's."""
    model = build(name, method_inputs)
    assert len(model.head) == layers
    assert model.head[-1].out_features == width
    views, index = [torch.rand(4, 3, 32, 32)], torch.arange(4)
    expected = regression_loss(model.head(model.student(views[0])), model.teacher(views[0]), normalisation)
    assert model.loss(views, index)["loss"].item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("crd", {"student_partition.log_mean", "teacher_partition.log_mean"}),
        ("seed_binary_contrastive", {"partition.log_mean"}),
    ],
)
def test_the_fixed_normaliser_has_the_name_of_earlier_training_states(name, keys, method_inputs):
    """Otherwise a run of an earlier version could not be resumed."""
    assert keys <= build(name, method_inputs).state_dict().keys()


def test_an_unknown_normalisation_is_one_line(method_inputs):
    with pytest.raises(UserError, match="'bn'.*valid: batch_norm, l2, none"):
        build("reg", method_inputs, normalisation="bn")


def test_binary_contrastive_has_the_queue_as_negatives(method_inputs):
    """The negatives are the queue before the batch; Z is from the first batch, whose queue was random."""
    model = build("seed_binary_contrastive", method_inputs)
    assert model.queue.anchors.shape == (24, 128)
    first, second = torch.rand(2, 3, 3, 32, 32)
    model.loss([first], torch.arange(3))
    log_mean, anchors = model.partition.log_mean.clone(), model.queue.anchors.clone()
    target = F.normalize(model.teacher(second), dim=1)
    embedding = F.normalize(model.head(model.student(second)), dim=1)
    expected = noise_contrastive_loss(match_logits(embedding, target, anchors, 0.07), log_mean)
    loss = model.loss([second], torch.arange(3))["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(expected.item())
    torch.testing.assert_close(model.queue.anchors[3:6], target)
    assert model.partition.log_mean == log_mean
