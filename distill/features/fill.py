"""A network's features of a data set, made by all processes, each its share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from distill.data.image_files import ImageFiles
from distill.data.images import UnreadableImage
from distill.data.labelled import LabelledSet
from distill.data.workers import ending_with_us
from distill.distributed import rank, world_size
from distill.errors import UserError
from distill.features.store import Store
from distill.registry import TRANSFORMS
from distill.settings import Count, Number, check_settings

RETRIES = 50


class Pictures(Dataset):
    """Images in a fixed order, seen through one fixed preprocessing.

    Item i is (i, image (3, H, W) uint8, names of the unreadable images). The next readable image stands in
    for one that cannot be read, so that batches stay whole.

    Args:
        view: config of a transform of ``distill.data.views`` without randomness.

    Raises:
        UserError: a setting of the view that is out of range.
    """

    def __init__(self, images: ImageFiles | LabelledSet, view: dict):
        self.images = images
        check_settings(TRANSFORMS.get(view["type"]), view)
        with DefaultScope.overwrite_default_scope("distill"):  # whatever framework's run this is within
            self.transform = TRANSFORMS.build(view)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[int, Tensor, list[str]]:
        unreadable = []
        for step in range(RETRIES):
            place = (index + step) % len(self)
            try:
                return index, self.transform(self.images.read(place))[0], unreadable
            except UnreadableImage:
                unreadable.append(self.images.name(place))
        raise UserError(f"{RETRIES} images in a row could not be read, the first is {unreadable[0]}")


def fill(
    store: Store,
    network: nn.Module,
    pictures: Pictures,
    batch_size: Count = 64,
    workers: Number = 2,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Makes the rows that the store lacks; when it returns, in any process, all of them are there.

    Each process makes its share. One that is through does not wait for the others, it helps them: takes
    batches from the end of their shares until none is left. So no process waits in a collective operation,
    none hangs when another has failed, and an interrupted call is gone on with by any number of processes.
    The batches are the same for any number of processes, and with them the features, bit for bit.

    Args:
        network: images (B, 3, H, W) uint8 -> (B, D), in eval mode.
        progress: called with (rows done, rows in all) after every batch.

    Returns:
        The number of rows that were lacking.

    Raises:
        UserError: too many images cannot be read, the network does not take them, or a feature is NaN or
            infinite.
    """
    check_settings(fill, dict(batch_size=batch_size, workers=workers))
    lacking = store.count - int(store.made.sum())
    device = next(network.parameters()).device
    loader = DataLoader(
        pictures,
        batch_sampler=_Lacking(store, batch_size),
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=ending_with_us(),
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # else the loader draws its seed from the global random state
    )
    # no_grad, not inference_mode: what a network caches here must still serve in training
    with torch.no_grad():
        for first, images, unreadable in loader:
            rows = _forward(network, images.to(device, non_blocking=True), store)
            _check_finite(rows, first, pictures, store)
            store.write(first, rows, unreadable)
            if progress is not None:
                progress(int(store.made.sum()), store.count)
    store.finish()
    return lacking


class _Lacking:
    """Batches that are not made yet, lists of row numbers: this process's share first, then the others'."""

    def __init__(self, store: Store, batch_size: int):
        self.store, self.batch_size = store, batch_size

    def __iter__(self) -> Iterator[list[int]]:
        number = -(-self.store.count // self.batch_size)
        first, end = (number * place // world_size() for place in (rank(), rank() + 1))
        helped = [(first - 1 - step) % number for step in range(number - (end - first))]
        for batch in [*range(first, end), *helped]:
            rows = range(batch * self.batch_size, min((batch + 1) * self.batch_size, self.store.count))
            self.store.refresh()  # other processes work on these rows already
            if not self.store.made[rows.start : rows.stop].all():
                yield list(rows)


def _collate(items: list[tuple[int, Tensor, list[str]]]) -> tuple[int, Tensor, list[str]]:
    """Items -> number of the first, images (B, 3, H, W), names of the unreadable images."""
    images = torch.stack([image for _, image, _ in items])
    return items[0][0], images, [name for _, _, unreadable in items for name in unreadable]


def _forward(network: nn.Module, images: Tensor, store: Store) -> np.ndarray:
    """Rows (B, D) as they are to be kept."""
    precision = getattr(torch, store.made_from["precision"])
    try:
        with torch.autocast(images.device.type, precision, enabled=precision != torch.float32):
            features = network(images)
    except (RuntimeError, AssertionError) as error:
        batch = f"{len(images)} images of {images.shape[-1]} px"
        reason = str(error).strip().split("\n")[0]
        arch = store.made_from["teacher"]["arch"]
        raise UserError(f"{arch} fails on a batch of {batch}: {reason}") from error
    return features.float().cpu().to(getattr(torch, store.dtype.name)).numpy()


def _check_finite(rows: np.ndarray, first: int, pictures: Pictures, store: Store) -> None:
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        others = f" and {len(bad) - 1} others of its batch" if len(bad) > 1 else ""
        raise UserError(
            f"{store.made_from['teacher']['arch']}: NaN or infinite features, as {store.dtype}, for "
            f"{pictures.images.name(first + bad[0])}{others}"
        )
