"""Cosine of two maps, pixel by pixel."""

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.losses.precision import at_least_float32


def map_cosine_loss(student: Tensor, teacher: Tensor) -> Tensor:
    r"""``1 - <s_i, t_i> / (|s_i| |t_i|)``, mean over samples and pixels i.

    A student's map on another grid is first interpolated to the teacher's (bilinear): 16 x 16 to a ViT's
    14 x 14.

    Args:
        student: (B, D, h, w).
        teacher: (B, D, H, W); no gradient.

    Returns:
        A scalar between 0 and 2, in float32 at least, whatever autocast says.
    """
    with torch.autocast(student.device.type, enabled=False):
        student, teacher = (at_least_float32(x) for x in (student, teacher.detach()))
        if student.shape[-2:] != teacher.shape[-2:]:
            student = F.interpolate(student, teacher.shape[-2:], mode="bilinear")
        return 1 - F.cosine_similarity(student, teacher, dim=1).mean()
