"""A linear layer on frozen features: its training, which several protocols share, and its accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR

ROWS_AT_ONCE = 2**16


@dataclass(frozen=True)
class Descent:
    """SGD with momentum over whole epochs, in each a new random order of the rows.

    Attributes:
        seed: of the layer's start and of the orders.
        milestones: epochs after which ``lr`` is multiplied by ``gamma``; None: it falls to 0 by half a
            cosine over all steps.
    """

    epochs: int
    lr: float
    momentum: float
    weight_decay: float
    batch_size: int
    seed: int
    milestones: tuple[int, ...] | None = None
    gamma: float = 0.1

    def schedule(self, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
        """For ``steps`` steps an epoch; to be told of each step."""
        if self.milestones is None:
            return CosineAnnealingLR(optimizer, self.epochs * steps)
        return MultiStepLR(optimizer, [steps * epoch for epoch in self.milestones], self.gamma)


def fit(x: Tensor, y: Tensor, classes: int, descent: Descent, rows: Tensor | None = None) -> nn.Linear:
    """The trained layer, on the device of ``y``.

    Args:
        x: features (N, D), on any device; may be memory-mapped: a batch at a time is read and moved.
        y: labels (N,).
        rows: which to train on, numbers (n,); None: all.
    """
    rows = torch.arange(len(x)) if rows is None else rows
    generator = torch.Generator().manual_seed(descent.seed)
    with torch.random.fork_rng():
        torch.manual_seed(descent.seed)
        layer = nn.Linear(x.shape[1], classes).to(y.device)
    optimizer = torch.optim.SGD(
        layer.parameters(), lr=descent.lr, momentum=descent.momentum, weight_decay=descent.weight_decay
    )
    schedule = descent.schedule(optimizer, steps=-(-len(rows) // descent.batch_size))
    for _ in range(descent.epochs):
        for batch in rows[torch.randperm(len(rows), generator=generator)].split(descent.batch_size):
            features = x[batch.to(x.device)].to(y.device, torch.float32)
            loss = F.cross_entropy(layer(features), y[batch.to(y.device)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return layer


@torch.no_grad()
def logits_of(layer: nn.Linear, x: Tensor, rows_at_once: int = ROWS_AT_ONCE) -> Tensor:
    """Logits (N, C), on the CPU, of features x (N, D), on any device."""
    device = layer.weight.device
    return torch.cat([layer(part.to(device, torch.float32)).cpu() for part in x.split(rows_at_once)])


def accuracies(logits: Tensor, y: Tensor) -> dict[str, float]:
    """``top1`` and, of more than five classes, ``top5``, in percent: see ``topk_accuracy``."""
    wanted = [1, 5] if logits.shape[1] > 5 else [1]
    return {f"top{k}": topk_accuracy(logits, y, k) for k in wanted}


def topk_accuracy(logits: Tensor, y: Tensor, k: int) -> float:
    """Percentage of rows of ``logits`` (N, C) whose k largest include the label ``y`` (N,)."""
    return 100 * (logits.topk(k).indices == y[:, None]).any(dim=1).double().mean().item()
