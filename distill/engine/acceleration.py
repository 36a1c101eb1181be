"""What makes a run faster on a GPU: mixed precision, fused optimisers, compiled networks."""

import torch
from mmengine.config import Config

from distill.backbones import Backbone
from distill.distributed import mixed_precision
from distill.errors import UserError
from distill.methods.base import Method

FUSED = ("SGD", "Adam", "AdamW")  # torch has them as one kernel for all parameters


def use_mixed_precision(config: Config) -> None:
    """Sets autocast: bfloat16 where the GPU computes with it, else float16 with a dynamic loss scale.

    ``optim_wrapper.dtype`` and ``optim_wrapper.loss_scale`` stay where a config has them.

    Raises:
        UserError: no GPU.
    """
    precision = mixed_precision()
    wrapper = config.optim_wrapper
    wrapper.type = "AmpOptimWrapper"
    wrapper.setdefault("dtype", precision)
    # bfloat16 has float32's range: no gradient vanishes, and none is looked at for an overflow
    wrapper.setdefault("loss_scale", dict(enabled=False) if wrapper.dtype == "bfloat16" else "dynamic")


def fuse_optimizer(config: Config) -> None:
    """Has torch update all parameters in one kernel on a GPU, unless the config says how."""
    optimizer = config.optim_wrapper.optimizer
    on_gpu = torch.cuda.is_available() and torch.device(config.get("device") or "cuda").type == "cuda"
    if on_gpu and optimizer.type in FUSED and not {"fused", "foreach"} & optimizer.keys():
        optimizer.fused = True


def compile_networks(method: Method) -> None:
    """Has torch compile all backbones of a method, the frozen ones too; their state dicts stay as they are.

    Every size of the views and of the last batch is compiled by itself, at its first step.

    Raises:
        UserError: torch cannot compile on this machine (no C++ compiler, no Triton).
    """
    device = next(method.parameters()).device
    try:
        torch.compile(torch.sin)(torch.zeros(2, device=device))
    except Exception as error:  # of torch, of Triton or of the compiler
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"--compile (compile_networks=True): torch cannot compile here: {reason}") from error
    frozen = [] if method.teacher is None else method.teacher.modules()
    for part in dict.fromkeys((*method.modules(), *frozen)):
        if isinstance(part, Backbone):
            part.compile_network()


def describe(config: Config) -> list[str]:
    """A line for what is on."""
    found = []
    if config.optim_wrapper.type == "AmpOptimWrapper":
        scaled = config.optim_wrapper.get("loss_scale") != dict(enabled=False)
        dtype = config.optim_wrapper.get("dtype") or "float16"
        found.append(f"mixed precision in {dtype}{', with loss scale' if scaled else ''}")
    if config.get("compile_networks"):
        found.append("compiled networks: the first steps take minutes")
    return [f"  {', '.join(found)}"] if found else []
