"""Cluster centres that are trained, and the codes of samples with respect to them (SwAV, OSS)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.distributed import rank, world_size
from distill.losses.sinkhorn import sinkhorn
from distill.modules.gradient_reversal import scale_gradient
from distill.modules.memory import Queue


class Prototypes(nn.Module):
    """Unit vectors that are trained; (..., D) unit embeddings -> cosines (..., P).

    The optimiser moves them off the sphere: ``normalise`` brings them back at the start of each step. That
    also undoes its weight decay while they are frozen, which is why a zero gradient is enough then.

    Attributes:
        weight: (P, D).
    """

    def __init__(self, count: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(count, width), dim=1))

    @torch.no_grad()
    def normalise(self) -> None:
        self.weight.copy_(F.normalize(self.weight, dim=1))

    def forward(self, embeddings: Tensor, frozen: bool = False) -> Tensor:
        return cosines(embeddings, scale_gradient(self.weight, 0.0) if frozen else self.weight)


def cosines(embeddings: Tensor, prototypes: Tensor) -> Tensor:
    """Unit rows (..., D) and (P, D) -> (..., P), never in half precision: they are divided by 0.05 later."""
    with torch.autocast(embeddings.device.type, enabled=False):
        return embeddings @ prototypes.T.to(embeddings.dtype)


class Codes(nn.Module):
    """Sinkhorn codes of the first crops, each crop with a queue of its own earlier embeddings.

    A batch much smaller than the number of prototypes cannot use them all equally; the queue makes up for
    that. As in SwAV it starts empty and is used once it is full; only the batch's codes are returned.

    Args:
        length: embeddings in a queue, 3,840 (15 batches of 256); 0: no queue.
        width: of the embeddings.
        epsilon, iterations: of ``sinkhorn``.
        crops: views that get codes.
    """

    def __init__(self, length: int, width: int, epsilon: float = 0.05, iterations: int = 3, crops: int = 2):
        super().__init__()
        self.epsilon, self.iterations, self.crops = epsilon, iterations, crops
        self.queues = nn.ModuleList(Queue(length, width) for _ in range(crops if length else 0))
        for queue in self.queues:
            queue.anchors.zero_()  # a row of zeros is an empty one
        self._full = False  # known without a look at the queues, which waits for a GPU

    def _load_from_state_dict(self, *args) -> None:
        super()._load_from_state_dict(*args)
        self._full = False

    @torch.no_grad()
    def forward(self, embeddings: Tensor, prototypes: Tensor, use_queue: bool) -> Tensor:
        """Unit embeddings (crops, B, D), prototypes (P, D) -> codes (crops, B, P); then enqueues, if used."""
        codes = []
        if use_queue and self.queues and not self._full:
            self._full = bool(self.queues[0].anchors[-1].any())  # filled in order, all alike
        for crop, batch in enumerate(embeddings):
            rows = batch
            if use_queue and self.queues:
                queue = self.queues[crop]
                if self._full:
                    # the queue is the same everywhere: each process contributes its share of it
                    rows = torch.cat([queue.anchors[rank() :: world_size()].to(batch.dtype), batch])
                queue.enqueue(batch)
            scores = cosines(rows, prototypes)
            codes.append(sinkhorn(scores, self.epsilon, self.iterations)[-len(batch) :])
        return torch.stack(codes)
