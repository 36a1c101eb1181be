"""SEED: soft labels over a queue of the teacher's embeddings."""

from torch import Tensor
from torch.nn import functional as F

from distill.losses.anchor_divergence import anchor_divergence


def seed_loss(
    student: Tensor,
    teacher: Tensor,
    anchors: Tensor,
    student_temperature: float = 0.2,
    teacher_temperature: float = 1e-4,
) -> Tensor:
    r"""``-sum_j q_j log p_j``, mean over the batch (Fang et al., ICLR 2021, equations 3-5).

    ``q = softmax(<t, .> / T_t)`` and ``p = softmax(<s, .> / T_s)`` over ``[t; anchors]``: the sample's own
    teacher embedding comes before the queue, so the student is drawn to it and to its neighbours.

    Args:
        student: (B, D) embeddings; normalised here.
        teacher: (B, D) embeddings; normalised here, no gradient.
        anchors: (K, D), unit rows: earlier teacher embeddings.
        student_temperature: 0.2.
        teacher_temperature: 1e-4 in the authors' released code; the paper's text also quotes 0.01.

    Returns:
        A scalar, in nats.
    """
    cross_entropy, _ = anchor_divergence(
        F.normalize(student, dim=1),
        F.normalize(teacher, dim=1),
        anchors,
        anchors,
        student_temperature,
        teacher_temperature,
        self_anchor=True,
    )
    return cross_entropy
