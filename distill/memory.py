"""The first-in-first-out queue of embeddings."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.distributed import gather


class Queue(nn.Module):
    """The last ``length`` embeddings, as rows of unit length.

    Its content and its pointer are buffers, so a resumed run goes on with the same anchors. It starts
    with random unit vectors (drawn from torch's generator), as in MoCo and CompRess.

    Attributes:
        anchors: (length, width).
        pointer: row that the next embedding will replace.
    """

    def __init__(self, length: int, width: int):
        super().__init__()
        self.register_buffer("anchors", F.normalize(torch.randn(length, width), dim=1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return self.anchors.shape[0]

    @torch.no_grad()
    def enqueue(self, embeddings: Tensor) -> None:
        """Replaces the oldest rows by ``embeddings`` (B, width) of all processes, in rank order.

        Any batch size: the pointer wraps, and of a batch longer than the queue the last rows stay.
        """
        rows = gather(embeddings.to(self.anchors.dtype))
        start, count = int(self.pointer), rows.shape[0]
        slots = torch.arange(start, start + count, device=rows.device) % len(self)
        self.anchors[slots[-len(self) :]] = rows[-len(self) :]
        self.pointer.fill_((start + count) % len(self))
