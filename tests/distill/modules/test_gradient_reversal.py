"""The reversed gradient and its schedule."""

import pytest
import torch

from distill.modules.gradient_reversal import reversal_scale, scale_gradient


@pytest.mark.parametrize(
    ("fraction", "scale"), [(0, 0.0), (0.1, -0.462117157), (0.5, -0.986614298), (1, -0.999909204)]
)
def test_schedule(fraction, scale):
    """1 - 2 / (1 + exp(-10 n/N)), OSS appendix A.1: never positive."""
    assert reversal_scale(fraction) == pytest.approx(scale, abs=1e-9)


@pytest.mark.parametrize("scale", [-0.7, 0.0, 1.0])
def test_values_pass_and_gradients_are_scaled(scale):
    x = torch.randn(3, 2, requires_grad=True)
    y = scale_gradient(x, scale)
    assert torch.equal(x, y)
    (y**2).sum().backward()
    torch.testing.assert_close(x.grad, scale * 2 * x.detach())
