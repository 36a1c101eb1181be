"""Sinkhorn-Knopp: soft cluster assignments that use all clusters about equally."""

import torch
import torch.distributed as dist
from torch import Tensor

from distill.distributed import world_size
from distill.losses.precision import at_least_float32


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    r"""Codes ``Q`` of the entropy-regularised transport problem (Caron et al., NeurIPS 2020, section 3.1).

    ``Q = diag(u) exp(scores / epsilon) diag(v)``: ``iterations`` times every prototype gets the same total,
    then every sample the total 1. The rows of all processes are one problem, so that N processes of B/N
    samples get the codes of one process of B; they may have different numbers of rows.

    It works with logarithms and subtracts the greatest value (over all processes) before each exponential,
    so that it neither overflows nor underflows, whatever ``epsilon``. In float32 at least, whatever autocast
    says: ``exp(1 / 0.05)`` is far outside half precision.

    Args:
        scores: (N, P) cosines of samples and prototypes; rows of a queue first, if there is one.
        epsilon: 0.05; smaller is sharper.
        iterations: 3.

    Returns:
        (N, P); each row sums to 1, columns to nearly the same.
    """
    with torch.autocast(scores.device.type, enabled=False):
        log_codes = at_least_float32(scores) / epsilon
        for _ in range(iterations):
            # equal totals up to a common factor, which the step over rows removes
            log_codes = log_codes - _log_column_sums(log_codes)
            log_codes = log_codes - log_codes.logsumexp(1, keepdim=True)
        return log_codes.exp()


def _log_column_sums(logs: Tensor) -> Tensor:
    """(N, P) on each process -> log of the sums of ``exp(logs)`` over the rows of all processes (P,)."""
    top = logs.amax(0)
    if world_size() > 1:
        dist.all_reduce(top, op=dist.ReduceOp.MAX)
    sums = (logs - top).exp().sum(0)
    if world_size() > 1:
        dist.all_reduce(sums)
    return top + sums.log()
