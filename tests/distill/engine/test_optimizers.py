"""LARS as SimCLR and BYOL use it, where biases and norms neither decay nor adapt; and as PCD does."""

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from distill.engine.optimizers import LARS
from distill.errors import UserError
from distill.registry import MODELS
from tests.distill.methods.small import small_config


@pytest.mark.parametrize("name", ["simclr_norm", "byol", "byol_accumulated"])
def test_one_step(name, method_inputs):
    """Biases and norms step as in SGD; a weight's step is lr x 0.001 x |w| long, up to the weight decay."""
    config = small_config(name, method_inputs)
    config.optim_wrapper.pop("accumulative_counts", None)
    with DefaultScope.overwrite_default_scope("distill"):
        method = MODELS.build(config.model)
        optimizer = build_optim_wrapper(method, config.optim_wrapper).optimizer
    lr, decay = config.optim_wrapper.optimizer.lr, config.optim_wrapper.optimizer.weight_decay
    norms = {
        f"{module}.{name}"
        for module, layer in method.named_modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        for name, _ in layer.named_parameters(recurse=False)
    }
    trained = {name: p for name, p in method.named_parameters() if p.requires_grad}
    before = {name: p.detach().clone() for name, p in trained.items()}
    torch.manual_seed(0)
    for parameter in trained.values():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    for name, parameter in trained.items():
        step = before[name] - parameter.detach()
        if name in norms or name.endswith(".bias"):
            torch.testing.assert_close(step, lr * parameter.grad, rtol=1e-4, atol=1e-6)
        else:
            w, g = before[name].norm(), parameter.grad.norm()
            expected = (parameter.grad + decay * before[name]) * lr * 1e-3 * w / (g + decay * w)
            torch.testing.assert_close(step, expected, rtol=1e-2, atol=1e-7)


def lars_of_pcd(w, gradients, lr, decay, momentum):
    """Three steps in NumPy: the ratio of each step scales all of it, older gradients included."""
    v = np.zeros_like(w)
    for g, rate in zip(gradients, lr, strict=True):
        norm = np.linalg.norm
        ratio = 1e-3 * norm(w) / (norm(g) + decay * norm(w)) if decay else 1.0
        v = momentum * v + g + decay * w
        w = w - rate * ratio * v
    return w


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_pcd_s_ratio_comes_after_momentum(decay):
    random, rates = np.random.default_rng(0), (1.0, 0.5, 2.0)
    start, gradients = random.normal(size=(4, 3)), random.normal(size=(3, 4, 3)) * [[[1]], [[10]], [[0.1]]]
    found = {}
    for scale_step in (False, True):
        weight = nn.Parameter(torch.tensor(start))
        optimizer = LARS([weight], momentum=0.9, weight_decay=decay, scale_step=scale_step)
        for gradient, rate in zip(gradients, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate
            weight.grad = torch.tensor(gradient)
            optimizer.step()
        found[scale_step] = weight.detach().numpy()
    np.testing.assert_allclose(found[True], lars_of_pcd(start, gradients, rates, decay, 0.9), rtol=1e-6)
    assert np.allclose(found[True], found[False]) == (decay == 0), "without decay there is no ratio"


def test_pcd_s_published_settings_ask_for_it(method_inputs):
    for name in ("pcd", "pcd_vectorised"):
        assert small_config(name, method_inputs).optim_wrapper.optimizer.scale_step
    with pytest.raises(UserError, match="neither dampening, nesterov"):
        LARS([nn.Parameter(torch.ones(1))], momentum=0.9, nesterov=True, scale_step=True)
