"""Collective operations; with one process they return their input."""

import os

import torch
import torch.distributed as dist
from torch import Tensor

from distill.errors import UserError


def world_size() -> int:
    """Number of processes, 1 without ``torch.distributed``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number, 0 without ``torch.distributed``."""
    return dist.get_rank() if world_size() > 1 else 0


def own_cores() -> int:
    """How many processor cores there are for each training process on this machine, at least 1."""
    # not every system can tell which cores a process may use
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def default_device() -> str:
    """This process's GPU where there is one, else the CPU."""
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"


def usable_device(name: str, what: str) -> str:
    """``name``, if it is a device of this machine; else UserError, with ``what`` that name is."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"{what} {name!r}: {str(error).splitlines()[0]}") from error
    return name


def mixed_precision() -> str:
    """What ``--amp`` computes in: ``bfloat16`` where the GPU has it, else ``float16``.

    Raises:
        UserError: no GPU.
    """
    if not torch.cuda.is_available():
        raise UserError("--amp needs a CUDA GPU, and none is available here; leave it out")
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


@torch.no_grad()
def gather(x: Tensor) -> Tensor:
    """Concatenates equally sized batches of all processes in rank order: (B, ...) -> (world * B, ...)."""
    if world_size() == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


class _GatherWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.batch = x.shape[0]
        return gather(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        # every process's loss depends on this process's rows
        grad = grad.contiguous()
        dist.all_reduce(grad)
        return grad[rank() * ctx.batch : (rank() + 1) * ctx.batch]


def gather_with_gradient(x: Tensor) -> Tensor:
    """``gather`` through which gradients flow back to the process that made each row."""
    return x if world_size() == 1 else _GatherWithGradient.apply(x)
