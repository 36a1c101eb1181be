"""Embeddings kept from earlier steps: the newest (queue), or one for each image (memory bank)."""

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

        Any batch size is possible: the pointer wraps, and a batch longer than the queue leaves its last rows.
        """
        rows = gather(embeddings.to(self.anchors.dtype))
        # the pointer stays on the device: reading it here would wait for a GPU
        slots = (self.pointer + torch.arange(len(rows), device=rows.device)) % len(self)
        self.anchors[slots[-len(self) :]] = rows[-len(self) :]
        self.pointer.add_(len(rows)).remainder_(len(self))


class MemoryBank(nn.Module):
    """One embedding for each image of the data set, as rows of unit length.

    A row follows its image's embeddings: ``row <- normalise(momentum * row + (1 - momentum) * embedding)``.
    Rows start uniform in a cube, as in RepDistiller, but are scaled to unit length at once. They are a
    buffer, so a resumed run goes on with the same rows; 128 numbers an image are 0.66 GB for ImageNet.

    Attributes:
        rows: (samples, width).
    """

    def __init__(self, samples: int, width: int, momentum: float = 0.5):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("rows", F.normalize(torch.rand(samples, width).mul_(2).sub_(1), dim=1))

    def __len__(self) -> int:
        return self.rows.shape[0]

    @torch.no_grad()
    def update(self, index: Tensor, embeddings: Tensor) -> None:
        """Moves the rows of samples ``index`` (B,) towards ``embeddings`` (B, width), of all processes.

        If a sample occurs twice (the end of an epoch is filled from its beginning), the last one in rank
        order counts: all its places write the last one's row, as CUDA does not say which of several writes
        to a row wins.
        """
        index, embeddings = gather(index), gather(embeddings.to(self.rows.dtype))
        places = torch.arange(len(index), device=index.device)
        last = torch.where(index == index[:, None], places, 0).amax(1)
        moved = self.momentum * self.rows[index] + (1 - self.momentum) * embeddings[last]
        self.rows[index] = F.normalize(moved, dim=1)
