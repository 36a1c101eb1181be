"""Online clustering: a baseline of SEED's comparison."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.distributed import gather
from distill.methods.base import Method
from distill.methods.fitting import ENOUGH_IN_A_CLUSTER
from distill.modules.heads import mlp
from distill.registry import MODELS
from distill.settings import Count, Positive
from distill.targets import Need


class OnlineKMeans(nn.Module):
    """k-means of a stream of unit vectors (MacQueen, 1967), over all processes.

    The first vectors become the centres. After that the n-th vector nearest to a centre moves the centre 1/n
    of the way, and the centre is scaled back to unit length. Its state is in buffers.

    Attributes:
        centres: (P, D), unit rows.
        members: vectors that each centre has had, (P,); 0 where there is no centre yet.
    """

    def __init__(self, clusters: int, width: int):
        super().__init__()
        self.register_buffer("centres", torch.zeros(clusters, width))
        self.register_buffer("members", torch.zeros(clusters, dtype=torch.long))
        self._complete = False  # known without a look at the members, which waits for a GPU

    def _load_from_state_dict(self, *args) -> None:
        super()._load_from_state_dict(*args)
        self._complete = False

    @torch.no_grad()
    def fill(self, vectors: Tensor) -> Tensor:
        """Makes centres of ``vectors`` (B, D) while some are missing; returns which exist, (P,) bool."""
        there = self.members > 0
        if self._complete:
            return there
        missing = (~there).nonzero()[:, 0]
        self._complete = len(missing) == 0
        vectors = gather(vectors)[: len(missing)].to(self.centres.dtype)
        self.centres[missing[: len(vectors)]] = vectors
        there[missing[: len(vectors)]] = True
        return there

    @torch.no_grad()
    def update(self, vectors: Tensor, nearest: Tensor) -> None:
        """Moves the ``nearest`` centre (B,) of each of ``vectors`` (B, D) towards it."""
        vectors, nearest = gather(vectors.to(self.centres.dtype)), gather(nearest)
        together = nearest == nearest[:, None]  # (B, B)
        # a matrix product, because a sum of scattered rows has no fixed order on CUDA
        sums = together.to(vectors.dtype) @ vectors
        moved = F.normalize(self.centres[nearest] * self.members[nearest, None] + sums, dim=1)
        # vectors of one centre all write the same row, as CUDA does not say which of several writes wins
        self.centres[nearest] = moved[together.byte().argmax(1)]
        self.members.index_add_(0, nearest, torch.ones_like(nearest))


@MODELS.register_module()
class OnlineClustering(Method):
    """The student predicts the cluster of the teacher's embedding while the clusters keep moving.

    OSS (appendix B.1) describes the baseline of SEED's paper as the online version of k-means, and no code
    of it is published. Chosen here: MacQueen's k-means on the teacher's unit embeddings, the nearest centre
    as a hard label, and the student's similarities to the same centres as logits, with SEED's head and
    student temperature.

    Args:
        clusters: 16,000, as in CompRess's cluster classification.
        temperature: of the student's softmax.
    """

    needs = frozenset({Need.EMBEDDINGS})
    fitted = {"clusters": ENOUGH_IN_A_CLUSTER}

    def __init__(self, student: dict, teacher: dict, clusters: Count = 16_000, temperature: Positive = 0.2):
        super().__init__(student, teacher)
        self.temperature = temperature
        self.head = mlp(self.student.width, self.student.width, self.teacher.width)
        self.clustering = OnlineKMeans(clusters, self.teacher.width)

    def loss(self, views: list[Tensor], index: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        (view,) = views
        target = F.normalize(self.teacher(view, rows), dim=1)
        embedding = self.head(self.student(view))
        missing = ~self.clustering.fill(target)
        centres = self.clustering.centres.clone()  # they move before the backward pass
        with torch.autocast(target.device.type, enabled=False):
            logits = F.normalize(embedding.float(), dim=1) @ centres.T / self.temperature
            label = (target.float() @ centres.T).masked_fill(missing, float("-inf")).argmax(1)
            loss = F.cross_entropy(logits.masked_fill(missing, float("-inf")), label)
        self.clustering.update(target, label)
        return {"loss": loss}
