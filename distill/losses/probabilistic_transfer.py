"""Probabilistic knowledge transfer: the same neighbours within a batch."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.distributed import gather, gather_with_gradient, rank
from distill.losses.precision import at_least_float32

SMALLEST = 1e-7  # the student's similarity is 0 for opposite embeddings, and log(0) is infinite


def probabilistic_transfer_loss(student: Tensor, teacher: Tensor) -> Tensor:
    r"""``sum_{j != i} q_ij log(q_ij / p_ij)``, mean over i (Passalis and Tefas, ECCV 2018).

    ``q_ij = k(t_i, t_j) / sum_{l != i} k(t_i, t_l)`` with the cosine kernel ``k(a, b) = (1 + cos(a, b))/2``,
    ``p`` likewise for the student: no queue, no temperature, no softmax. The other samples come from all
    processes, and gradients flow back to them. A sample is not its own neighbour (the paper's formula and
    CompRess section 3; some public code counts it), and the loss of a batch of one is 0.

    Args:
        student: (B, D_s) embeddings; normalised here.
        teacher: (B, D_t) embeddings; normalised here, no gradient.

    Returns:
        A scalar, in nats: the mean over this process's samples.
    """
    batch = student.shape[0]
    with torch.autocast(student.device.type, enabled=False):
        student, teacher = (
            F.normalize(at_least_float32(x), dim=1)
            for x in (student, teacher.detach())
        )
        every_student, every_teacher = gather_with_gradient(student), gather(teacher)  # (N, D)
        others = torch.ones(batch, len(every_student), dtype=torch.bool, device=student.device)
        here = torch.arange(batch, device=student.device)
        others[here, here + rank() * batch] = False
        p = _neighbours(student, every_student, others)
        q = _neighbours(teacher, every_teacher, others)
        terms = torch.special.xlogy(q, q) - q * p.clamp(min=SMALLEST / len(every_student)).log()
        return terms.sum(1).mean()


def _neighbours(x: Tensor, everyone: Tensor, others: Tensor) -> Tensor:
    """Distribution over the others, (B, N); the sample itself has a 1, which adds nothing to the loss."""
    kernel = ((1 + x @ everyone.T) / 2).clamp(min=0) * others
    return kernel / kernel.sum(1, keepdim=True).clamp(min=SMALLEST) + ~others
