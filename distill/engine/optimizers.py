"""Optimisers that torch lacks, under the names configs use."""

import torch
from timm.optim import Lars
from torch import Tensor

from distill.errors import UserError
from distill.registry import OPTIMIZERS


@OPTIMIZERS.register_module()
class LARS(Lars):
    """SGD whose step is adapted to each layer: trust ratio ``trust_coeff |w| / (|g| + weight_decay |w|)``.

    Layers without weight decay (biases, norms, by a config's paramwise_cfg) are not adapted: SimCLR, BYOL,
    PCD. SwAV and OSS decay and adapt everything.

    Args:
        scale_step: what the ratio r of each step scales. False: the gradient, before momentum, as in timm and
            apex: ``v <- m v + r (g + weight_decay w)``; True: the step, after momentum, as in PCD's released
            code: ``v <- m v + g + weight_decay w; w <- w - lr r v``. (The code's very first step counts the
            gradient 1 + m times, apparently by mistake; this one counts it once.)
        dampening, nesterov, trust_clip, always_adapt, eps: timm's; the first three not with ``scale_step``.

    Raises:
        UserError: ``scale_step`` with one of them.
    """

    def __init__(
        self,
        params,
        lr: float = 1.0,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        trust_coeff: float = 1e-3,
        eps: float = 1e-8,
        trust_clip: bool = False,
        always_adapt: bool = False,
        scale_step: bool = False,
    ):
        if scale_step and (dampening or nesterov or trust_clip):
            raise UserError("LARS: scale_step takes neither dampening, nesterov nor trust_clip")
        super().__init__(
            params, lr, momentum, dampening, weight_decay, nesterov, trust_coeff, eps, trust_clip,
            always_adapt,
        )  # fmt: skip
        self.scale_step = scale_step  # not in the groups: states of earlier versions do not have it

    @torch.no_grad()
    def step(self, closure=None):
        if not self.scale_step:
            return super().step(closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, group)
        return loss

    def _step(self, parameter: Tensor, group: dict) -> None:
        decay, ratio = group["weight_decay"], 1.0
        if decay or group["always_adapt"]:
            w, g = parameter.norm(), parameter.grad.norm()
            ratio = group["trust_coeff"] * w / (g + decay * w + group["eps"])
            ratio = torch.where((w > 0) & (g > 0), ratio, 1.0)
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        velocity = state["momentum_buffer"]
        velocity.mul_(group["momentum"]).add_(parameter.grad).add_(parameter, alpha=decay)
        parameter.add_(velocity * ratio, alpha=-group["lr"])
