"""How alike a network finds two views of an image: whether there is anything to learn from, or a collapse."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from distill.backbones import Backbone
from distill.data.unlabelled import UnlabelledImages, collate_views
from distill.errors import UserError


@dataclass(frozen=True)
class ViewAgreement:
    """What ``view_agreement`` found.

    Attributes:
        agreement: correlation between the features of two views of an image, over images and dimensions:
            0 is that of unrelated images, 1 that of equal ones.
        spread: variance of the features, unit vectors, ``1 - |mean|^2``: 0 when all images look the same, and
            then the other two tell nothing.
        rank: effective number of directions over which they spread.
        width: number of dimensions.
    """

    agreement: float
    spread: float
    rank: float
    width: int


def view_agreement(backbone: Backbone, images: UnlabelledImages, count: int = 512) -> ViewAgreement:
    """Compares the first two views of ``count`` images, evenly spaced, as a batch of training.

    The network uses the batch's own statistics, a pass a view; ``backbone`` itself stays as it is.

    Raises:
        UserError: fewer than two views of an image, or fewer than two images.
    """
    if len(images.augmentation.sizes) < 2:
        where = "train_dataloader.dataset.augmentation"
        raise UserError(f"two views of an image are compared, {where} gives 1; set {where}.views=2")
    if min(count, len(images)) < 2:
        raise UserError(f"two images at least are needed, not {min(count, len(images))}")
    chosen = torch.linspace(0, len(images) - 1, min(count, len(images))).round().long().tolist()
    views = collate_views([images[0, index] for index in chosen])["views"][:2]
    network = copy.deepcopy(backbone).train()
    device = next(network.parameters()).device
    with torch.no_grad():
        features = [F.normalize(network(view.to(device)).float(), dim=1) for view in views]
    both = torch.cat(features)
    spread = both.var(0, correction=0).sum().item()
    return ViewAgreement(agreement(*features), spread, effective_rank(both), network.width)


def agreement(x: Tensor, y: Tensor) -> float:
    """Correlation of x and y, (B, D) each: every dimension is centred, all are taken together."""
    x, y = x - x.mean(0), y - y.mean(0)
    return ((x * y).sum() / (x.norm() * y.norm())).item()


def effective_rank(x: Tensor) -> float:
    """``exp(-sum p log p)`` with the shares p of the variance of x, (B, D), along its principal axes.

    Roy and Vetterli, EUSIPCO 2007, have the singular values in place of their squares.
    """
    variances = torch.linalg.svdvals(x - x.mean(0)).square()
    shares = variances / variances.sum()
    return torch.special.entr(shares).sum().exp().item()
