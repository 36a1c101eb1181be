"""Collective operations; with one process they return their input."""

import os

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes, 1 without ``torch.distributed``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number, 0 without ``torch.distributed``."""
    return dist.get_rank() if world_size() > 1 else 0


def join_torchrun() -> None:
    """Starts ``torch.distributed`` if ``torchrun`` started this process, else does nothing.

    It uses gloo: the tools that call it need each process's number and exchange nothing that is on a GPU.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        dist.init_process_group("gloo")


def default_device() -> str:
    """This process's GPU where there is one, else the CPU."""
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"


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
