"""Frozen features of labelled images: one extraction feeds every evaluator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF
from tqdm import tqdm

from distill.backbones import Backbone
from distill.data.images import UnreadableImage, read_image, too_many_unreadable
from distill.data.labelled import LabelledFolder
from distill.errors import UserError

INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class Features:
    """Features ``x`` (N, D) float32 on the CPU, labels ``y`` (N,) int64 that index ``classes``.

    ``unreadable`` names the corrupt images, which are not among them.
    """

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extraction:
    """How images become network input.

    The shorter side is resized to ``resize`` and the centre ``image_size`` x ``image_size`` cut out.
    ``resize`` is by default ImageNet's rule, ``round(image_size * 256 / 224)``; ``resize=image_size``
    crops no margin, which leaves images of that very size as they are.
    """

    image_size: int = 224
    resize: int | None = None
    interpolation: str = "bilinear"
    batch_size: int = 256
    workers: int = 2

    def __post_init__(self):
        if self.image_size < 1 or self.batch_size < 1 or self.workers < 0:
            raise UserError("image_size and batch_size must be at least 1, workers at least 0")
        if self.shorter_side < self.image_size:
            raise UserError(f"resize is {self.resize}; valid: image_size ({self.image_size}) or more")
        if self.interpolation not in INTERPOLATIONS:
            raise UserError(f"interpolation is {self.interpolation!r}; valid: {', '.join(INTERPOLATIONS)}")

    @property
    def shorter_side(self) -> int:
        return self.resize if self.resize is not None else round(self.image_size * 256 / 224)

    def prepare(self, image: Image.Image) -> Tensor:
        """An RGB image -> (3, image_size, image_size) uint8."""
        image = TF.resize(image, self.shorter_side, InterpolationMode(self.interpolation))
        return TF.pil_to_tensor(TF.center_crop(image, self.image_size))


class _Decoded(Dataset):
    """Item i is (i, prepared image), or (i, None) where the file cannot be read."""

    def __init__(self, folder: LabelledFolder, extraction: Extraction):
        self.folder, self.extraction = folder, extraction

    def __len__(self) -> int:
        return len(self.folder)

    def __getitem__(self, index: int) -> tuple[int, Tensor | None]:
        try:
            image = read_image(self.folder.root / self.folder.files[index])
        except UnreadableImage:
            return index, None
        return index, self.extraction.prepare(image)


def _collate(items: list[tuple[int, Tensor | None]]) -> tuple[list[int], Tensor | None, list[int]]:
    """Items -> numbers of the images, (B, 3, H, W) or None when there are none, numbers without image."""
    kept = [index for index, image in items if image is not None]
    images = torch.stack([image for _, image in items if image is not None]) if kept else None
    return kept, images, [index for index, image in items if image is None]


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Eval mode inside; afterwards every part has the mode it had, frozen batch norms included."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def extract(backbone: Backbone, folder: LabelledFolder, extraction: Extraction) -> Features:
    """Features of a folder's images, in its order, computed where the backbone's parameters are.

    Neither the network (parameters, buffers, mode) nor any global random state changes. Corrupt images
    are skipped and named in the result.

    Raises:
        UserError: more than 1 % of the images are corrupt, the network does not take the image size,
            or its features are not finite.
    """
    device = next(backbone.parameters()).device
    loader = DataLoader(
        _Decoded(folder, extraction),
        batch_size=extraction.batch_size,
        num_workers=extraction.workers,
        collate_fn=_collate,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # else the loader draws its seed from the global random state
    )
    x = torch.empty(len(folder), backbone.width)
    kept: list[int] = []
    unreadable: list[str] = []
    # no_grad, not inference_mode: what a network caches here must still serve in training
    with evaluation_mode(backbone), torch.no_grad():
        for indices, images, bad in tqdm(loader, desc=str(folder.root), disable=None, leave=False):
            unreadable += [str(folder.root / folder.files[index]) for index in bad]
            if error := too_many_unreadable(unreadable, len(folder)):
                raise error
            if images is not None:
                x[len(kept) : len(kept) + len(indices)] = _forward(backbone, images.to(device)).cpu()
                kept += indices
    x = x[: len(kept)]
    if not (finite := x.isfinite().all(dim=1)).all():
        bad = f"{int((~finite).sum())} of the {len(x)} images of {folder.root}"
        raise UserError(f"{backbone.arch}: NaN or infinite features for {bad}")
    y = torch.from_numpy(folder.labels)[kept]
    return Features(x, y, folder.classes, tuple(unreadable))


def _forward(backbone: Backbone, images: Tensor) -> Tensor:
    try:
        return backbone(images).float()
    except (RuntimeError, AssertionError) as error:
        batch = f"{len(images)} images of {images.shape[-1]} px"
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{backbone.arch} fails on a batch of {batch}: {reason}") from error
