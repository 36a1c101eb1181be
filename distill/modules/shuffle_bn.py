"""ShuffleBN: keys are encoded beside other images than their queries."""

import torch
from torch import Tensor, nn

from distill.distributed import gather, rank, world_size


@torch.no_grad()
def shuffled(network: nn.Module, images: Tensor, seed: int, groups: int) -> Tensor:
    """Encodes images mixed over all processes; the output is in the batch's own order.

    Batch norm makes every embedding depend on its batch. A query and its key from the same batch share its
    statistics, and no key of the queue does. The network can then tell the positive by the statistics,
    without looking at the image, and the loss falls while the features stay poor (He et al., CVPR 2020,
    section 3.3). So the images of all processes are mixed before and sorted after the network, and a key's
    statistics are those of other images than its query's.

    One process has no other to mix with: it permutes the batch and encodes it in ``groups`` parts, so that
    a key's statistics are those of a random part of the query's batch. In eval mode, or without batch norm,
    neither changes anything.

    Args:
        images: (B, ...), equally many in each process; as bytes they are a quarter to exchange.
        seed: the same in all processes and another at each step.
        groups: parts in one process, each of at least two images (one has no variance for batch norm).

    Returns:
        (B, D), without gradient.
    """
    batch = len(images)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(world_size() * batch, generator=generator).to(images.device, non_blocking=True)
    mine = gather(images)[order[rank() * batch : (rank() + 1) * batch]]
    parts = max(1, min(groups, batch // 2)) if world_size() == 1 else 1
    embeddings = gather(torch.cat([network(part) for part in mine.tensor_split(parts)]))
    return embeddings[order.argsort()[rank() * batch : (rank() + 1) * batch]]
