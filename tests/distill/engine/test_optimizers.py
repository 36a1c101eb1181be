"""LARS as SimCLR and BYOL use it: biases and norms neither decay nor adapt."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from distill.registry import MODELS
from tests.distill.methods.small import small_config


@pytest.mark.parametrize("name", ["simclr_norm", "byol", "byol_accumulated"])
def test_one_step(name, method_inputs):
    """Their step is plain SGD's; a weight's has the length lr x 0.001 x |w|, up to the small weight decay."""
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
