"""Cross-entropy of the student's similarities to anchors under the teacher's, with a gradient of its own.

Autograd would keep a clone of the queue (it is overwritten before the backward pass), both logit
matrices, both softmaxes and their gradients. Here the forward pass computes the gradient with respect to
the student, so that only two (B, K) buffers ever exist and nothing of the queue is kept.
"""

import torch
from torch import Tensor

from distill.losses.precision import at_least_float32

# Elements of the (rows, K) block that is processed at a time: small enough for a CPU's cache, large
# enough to fill a GPU.
BLOCK = {"cpu": 2**19, "cuda": 2**26}


class _AnchorDivergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student, teacher, student_anchors, teacher_anchors, student_t, teacher_t, self_anchor):
        # anchors @ batch.T would be transposed: rows must be contiguous for the softmax below
        student_logits = student @ student_anchors.T
        teacher_logits = teacher @ teacher_anchors.T
        own = None
        if self_anchor:
            own = [(student * teacher).sum(1, keepdim=True), (teacher * teacher).sum(1, keepdim=True)]
        batch, length = student_logits.shape
        cross_entropy = student_logits.new_empty(batch)
        entropy = student_logits.new_empty(batch)
        own_gradient = student_logits.new_zeros(batch, 1)
        step = max(1, BLOCK.get(student.device.type, 2**26) // length)
        for start in range(0, batch, step):
            rows = slice(start, start + step)
            log_p = _log_softmax_(student_logits[rows], student_t, own and own[0][rows])
            log_q = _log_softmax_(teacher_logits[rows], teacher_t, own and own[1][rows])
            q = [part.exp() for part in log_q]
            cross_entropy[rows] = -sum((a * b).sum(1) for a, b in zip(q, log_p, strict=True))
            entropy[rows] = -sum((a * b).sum(1) for a, b in zip(q, log_q, strict=True))
            # d cross_entropy / d logits, written over the student's logits
            for part, target in zip(log_p, q, strict=True):
                part.exp_().sub_(target)
            if self_anchor:
                own_gradient[rows] = log_p[1]
        del teacher_logits
        gradient = None
        if ctx.needs_input_grad[0]:
            gradient = student_logits @ student_anchors
            if self_anchor:
                gradient.addcmul_(own_gradient, teacher)
            gradient.div_(student_t * batch)
        ctx.save_for_backward(gradient)
        entropy = entropy.mean()
        ctx.mark_non_differentiable(entropy)
        return cross_entropy.mean(), entropy

    @staticmethod
    def backward(ctx, grad_cross_entropy, _):
        (gradient,) = ctx.saved_tensors
        return grad_cross_entropy * gradient, None, None, None, None, None, None


def _log_softmax_(logits: Tensor, temperature: float, own: Tensor | None) -> list[Tensor]:
    """In place: logits (b, K) [and the own anchor's (b, 1)] / temperature -> their joint log-softmax."""
    logits.div_(temperature)
    top = logits.amax(1, keepdim=True)
    if own is None:
        logits.sub_(top).sub_(logits.exp().sum(1, keepdim=True).log_())
        return [logits]
    own = own / temperature
    top = torch.maximum(top, own)
    logits.sub_(top)
    own = own - top
    norm = (logits.exp().sum(1, keepdim=True) + own.exp()).log_()
    return [logits.sub_(norm), own - norm]


def anchor_divergence(
    student: Tensor,
    teacher: Tensor,
    student_anchors: Tensor,
    teacher_anchors: Tensor,
    student_temperature: float,
    teacher_temperature: float,
    self_anchor: bool = False,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the student's similarities under the teacher's, and the entropy of the teacher's.

    Let ``q = softmax(teacher . teacher_anchors / teacher_temperature)`` and ``p`` likewise for the student.
    The anchors may be overwritten before the backward pass.

    Args:
        student: (B, D_s), unit rows.
        teacher: (B, D_t), unit rows; no gradient.
        student_anchors: (K, D_s), unit rows.
        teacher_anchors: (K, D_t), unit rows, the same samples in the same order.
        self_anchor: each sample's own teacher embedding is one more anchor for both (needs D_s = D_t).

    Returns:
        The batch means of ``-sum_j q_j log p_j``, which has a gradient with respect to ``student`` only, and
        of ``-sum_j q_j log q_j``, in nats; their difference is ``KL(q || p)``. In float32 at least, whatever
        autocast says: at a temperature of 1e-4 a half-precision similarity is wrong by about 5 logits.
    """
    tensors = (student, teacher.detach(), student_anchors, teacher_anchors)
    with torch.autocast(student.device.type, enabled=False):
        tensors = [at_least_float32(t) for t in tensors]
        return _AnchorDivergence.apply(*tensors, student_temperature, teacher_temperature, self_anchor)
