"""Training data: a folder of images without labels, seen through one augmentation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from distill.data.draws import records
from distill.data.image_files import ImageFiles, open_images
from distill.data.images import UnreadableImage
from distill.data.labelled import LabelledSet
from distill.data.views import in_two_halves
from distill.errors import UserError
from distill.registry import DATASETS, TRANSFORMS

RETRIES = 50


class AugmentedImages(Dataset):
    """Images; each item is one image's views.

    The key of an item is ``(epoch, index)``, and its random views depend on ``(seed, epoch, index)`` alone:
    the number of workers or processes and a resume in mid-epoch change nothing.

    Args:
        images: what to read them from.
        augmentation: config of a transform in ``distill.data.views``.
        seed: of the views.

    Attributes:
        rows: arrays to read along with the images, by their numbers, as a teacher cache's; None: nothing.
        cut_only: only cut views out of the image; the training device finishes them by their ``draws``.

    Items:
        ``views``: list of uint8 tensors (3, H, W); ``draws``: a ``Draw`` for each, if they are cut out only;
        ``index``: position in ``images``; ``unreadable``: names of those that were skipped on the way (the
        next readable image stands in, so that batches stay whole); ``row``: its array in ``rows``, if there
        are any.
    """

    rows: Sequence[np.ndarray] | None = None
    cut_only = False

    def __init__(self, images: ImageFiles | LabelledSet, augmentation: dict, seed: int = 0):
        self.images, self.seed = images, seed
        self.augmentation = TRANSFORMS.build(augmentation)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: tuple[int, int]) -> dict:
        epoch, first = item
        unreadable, reason = [], None
        for index in ((first + step) % len(self) for step in range(RETRIES)):
            try:
                image = self.images.read(index)
            except UnreadableImage as error:
                reason = reason or error
                unreadable.append(self.images.name(index))
                continue
            item = self._views(image, epoch, index) | {"index": index, "unreadable": unreadable}
            return item if self.rows is None else item | {"row": torch.from_numpy(self.rows[index])}
        raise UserError(f"{RETRIES} images in a row could not be read; the first: {reason}")

    def _views(self, image: Image.Image, epoch: int, index: int) -> dict:
        if not in_two_halves(type(self.augmentation)):  # it may draw from torch's generator
            with seeded(mix_seed(self.seed, epoch, index)):
                return {"views": self.augmentation(image)}
        draws = self.augmentation.draw(image, self.seed, epoch, index)
        if self.cut_only:
            return {"views": self.augmentation.cut(image, draws), "draws": draws}
        return {"views": self.augmentation.make(image, draws)}


@DATASETS.register_module()
class UnlabelledImages(AugmentedImages):
    """All images below a folder, each seen through one augmentation.

    Args:
        data_root: any folder of images, however nested, or of shards (``distill.data.shards``).
        augmentation, seed: as in ``AugmentedImages``, whose items these are.
    """

    def __init__(self, data_root: str, augmentation: dict, seed: int = 0):
        super().__init__(open_images(data_root), augmentation, seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's generator on the CPU starts from ``seed``; afterwards it is as it was before.

    ``torch.manual_seed`` would seed every kind of device, which takes longer than a crop of the image.
    """
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)


def mix_seed(*parts: int) -> int:
    """One well-mixed 63-bit seed from several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def collate_views(items: list[dict]) -> dict[str, list[Tensor] | Tensor | list[str]]:
    """Items -> a batch.

    ``views``: list over views of (B, 3, H, W); ``index``: (B,); ``unreadable``: list of paths; ``rows``:
    (B, ...) and ``draws``: list over views of records (B,), if the items have any.
    """
    extra = {}
    if "row" in items[0]:
        extra["rows"] = torch.stack([item["row"] for item in items])
    if "draws" in items[0]:
        extra["draws"] = [records(view) for view in zip(*(item["draws"] for item in items), strict=True)]
    return extra | {
        "views": [torch.stack(view) for view in zip(*(item["views"] for item in items), strict=True)],
        "index": torch.tensor([item["index"] for item in items]),
        "unreadable": [path for item in items for path in item["unreadable"]],
    }
