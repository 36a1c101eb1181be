"""CompRess: the student sees the same neighbours as the teacher."""

from torch import Tensor
from torch.nn import functional as F

from distill.losses.anchor_divergence import anchor_divergence


def compress_loss(
    student: Tensor,
    teacher: Tensor,
    student_anchors: Tensor,
    teacher_anchors: Tensor,
    temperature: float = 0.04,
) -> Tensor:
    r"""``KL(q || p)``, mean over the batch (Abbasi Koohpayegani et al., NeurIPS 2020, section 3).

    ``q_j = softmax_j(<t, a_j> / T)`` over the teacher's anchors, ``p_j = softmax_j(<s, b_j> / T)`` over
    the student's. In CompRess-2q ``b`` are the student's own embeddings of the same samples; in 1q they
    are the teacher's anchors again.

    Args:
        student: (B, D_s) embeddings; normalised here.
        teacher: (B, D_t) embeddings; normalised here, no gradient.
        student_anchors: (K, D_s), unit rows.
        teacher_anchors: (K, D_t), unit rows, the same samples in the same order.
        temperature: 0.04 for MoCo and SimCLR teachers, 0.007 for SwAV's (section 4).

    Returns:
        A scalar, in nats.
    """
    cross_entropy, entropy = anchor_divergence(
        F.normalize(student, dim=1),
        F.normalize(teacher, dim=1),
        student_anchors,
        teacher_anchors,
        temperature,
        temperature,
    )
    return cross_entropy - entropy
