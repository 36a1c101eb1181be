"""PCD's loss: each pixel of the student against the teacher's at the same place and a queue of negatives.

The matrix of pixels and negatives is the largest of a step: 128 maps of 7 x 7 and 65,536 negatives take
1.6 GB, and autograd would keep several such matrices. Here the forward pass computes the gradient, block by
block of pixels, so that only two blocks ever exist and nothing of the queue is kept.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.losses.precision import at_least_float32

# Elements of a (pixels, K) block: 256 MB in float32, large enough to fill a GPU.
BLOCK = 2**26


class _ContrastWithQueue(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, positive, negatives, temperature):
        losses = torch.empty_like(query[:, 0])
        gradient = torch.empty_like(query) if ctx.needs_input_grad[0] else None
        step = max(1, BLOCK // len(negatives))
        for start in range(0, len(query), step):
            rows = slice(start, start + step)
            own = (query[rows] * positive[rows]).sum(1, keepdim=True) / temperature
            logits = (query[rows] @ negatives.T).div_(temperature)
            log_sum = torch.logaddexp(own, logits.logsumexp(1, keepdim=True))
            losses[rows] = (log_sum - own)[:, 0]
            if gradient is not None:
                others = logits.sub_(log_sum).exp_() @ negatives
                gradient[rows] = others + torch.expm1(own - log_sum) * positive[rows]
        if gradient is not None:
            gradient.div_(temperature * len(query))
        ctx.save_for_backward(gradient)
        return losses.mean()

    @staticmethod
    def backward(ctx, grad):
        (gradient,) = ctx.saved_tensors
        return grad * gradient, None, None, None


def pixel_contrast_loss(
    student: Tensor, teacher: Tensor, negatives: Tensor, temperature: float = 0.2
) -> Tensor:
    r"""``-log exp(<s_i, t_i>/T) / (exp(<s_i, t_i>/T) + sum_k exp(<s_i, n_k>/T))``, mean over samples and
    pixels i (Huang and Guo, ICCV 2023; the authors' code).

    A teacher's map on another grid is first averaged to the student's grid (adaptive pooling): a ViT's
    14 x 14 to 7 x 7. With maps of one pixel it is MoCo's loss.

    Args:
        student: (B, D, h, w); pixels are normalised here.
        teacher: (B, D, H, W); normalised here after the pooling, no gradient.
        negatives: (K, D), unit rows; they may be overwritten before the backward pass.
        temperature: 0.2.

    Returns:
        A scalar, in nats. In float32 at least, whatever autocast says.
    """
    with torch.autocast(student.device.type, enabled=False):
        student, teacher, negatives = (
            at_least_float32(x) for x in (student, teacher.detach(), negatives)
        )
        teacher = F.adaptive_avg_pool2d(teacher, student.shape[-2:])
        return _ContrastWithQueue.apply(_pixels(student), _pixels(teacher), negatives, temperature)


def _pixels(maps: Tensor) -> Tensor:
    """(B, D, h, w) -> (B * h * w, D), unit rows."""
    return F.normalize(maps.permute(0, 2, 3, 1).flatten(0, 2), dim=1)
