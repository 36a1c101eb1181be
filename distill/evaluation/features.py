"""Frozen features of labelled images: one extraction feeds every evaluator."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from distill.backbones import Backbone
from distill.backbones.weights import state_sha256
from distill.data.labelled import LabelledSet
from distill.distributed import default_device, rank
from distill.errors import UserError
from distill.features import PRECISIONS, Pictures, Store, describe, fill
from distill.results.protocol import Protocol
from distill.settings import Count, Number, check_fields

PARTS = ("train", "val")
INTERPOLATIONS = ("bilinear", "bicubic")
SQUASH = "squash"


@dataclass(frozen=True)
class Features:
    """Features ``x`` (N, D) float32 on the CPU, labels ``y`` (N,) int64 that index ``classes``.

    Where an image has several labels, ``y`` is (N, C) int8: see ``LabelledSet``. ``unreadable`` names the
    corrupt images, which are not among them. ``images`` is what they are of, in the same order. ``device`` is
    where protocols compute with them: the network's.
    """

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    images: LabelledSet | None = None
    device: str = field(default_factory=default_device)

    def of(self, numbers: np.ndarray) -> Features:
        """Those of some of the images, given by their numbers in ``images``, without the unreadable ones."""
        all_of_them = range(len(self.images))
        if self.unreadable:
            corrupt = set(self.unreadable)
            all_of_them = [number for number in all_of_them if self.images.name(number) not in corrupt]
        rows = torch.from_numpy(np.flatnonzero(np.isin(all_of_them, numbers)))
        return Features(self.x[rows], self.y[rows], self.classes, device=self.device)


@dataclass(frozen=True)
class Extraction:
    """How images become network input.

    The shorter side is resized to ``resize`` and the centre ``image_size`` x ``image_size`` cut out.
    ``resize`` is by default ImageNet's rule, ``round(image_size * 256 / 224)``; ``resize=image_size``
    crops no margin, which leaves images of that very size as they are; ``resize="squash"`` makes the whole
    picture that square. The network computes in ``precision``, other than ``float32`` by autocast; its
    features are float32 all the same.
    """

    image_size: Count = 224
    resize: int | str | None = None
    interpolation: Literal[INTERPOLATIONS] = "bilinear"
    batch_size: Count = 256
    workers: Number = 2
    precision: Literal[PRECISIONS] = "float32"

    def __post_init__(self):
        check_fields(self, "")
        side = self.resized_to
        if side != SQUASH and (isinstance(side, str) or side < self.image_size):
            raise UserError(f"resize is {side!r}; valid: image_size ({self.image_size}) or more, {SQUASH!r}")

    @property
    def resized_to(self) -> int | str:
        """The shorter side before the crop, or ``squash``."""
        return self.resize if self.resize is not None else round(self.image_size * 256 / 224)

    @property
    def view(self) -> dict:
        """The same as the config of a transform, with what is not the default."""
        view = {"type": "Squash" if self.resize == SQUASH else "CentreCrop", "size": self.image_size}
        if self.resize not in (None, SQUASH):
            view["resize"] = self.resize
        return view if self.interpolation == "bilinear" else view | {"interpolation": self.interpolation}


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


def extract(
    backbone: Backbone,
    images: LabelledSet,
    extraction: Extraction,
    keep: str | os.PathLike | None = None,
) -> Features:
    """Features of labelled images, in their order, computed where the backbone's parameters are.

    Neither the network (parameters, buffers, mode) nor any global random state changes. Corrupt images
    are skipped and named in the result. ``x`` is memory-mapped, unless an image was skipped.

    Args:
        keep: folder for the features, in the files of ``distill.features``. Features of the same network,
            images and preprocessing that it holds are taken, or gone on with; all processes that are given
            the same folder share the work. None: a temporary folder.

    Raises:
        UserError: more than 1 % of the images are corrupt, the network does not take the image size,
            its features are not finite, or ``keep`` holds features of something else.
    """
    with tempfile.TemporaryDirectory() if keep is None else nullcontext(keep) as place:
        network = backbone.fingerprint(state_sha256(backbone.net.state_dict()))
        with evaluation_mode(backbone):
            store = filled(place, backbone, network, backbone.width, images, extraction)
        x, y = torch.from_numpy(store.rows()), torch.from_numpy(images.labels)
    unreadable = tuple(sorted(store.unreadable))
    if unreadable:
        kept = torch.tensor([images.name(row) not in store.unreadable for row in range(len(images))])
        x, y = x[kept], y[kept]
    device = str(next(backbone.parameters()).device)
    return Features(x, y, images.classes, unreadable, images, device)


def filled(
    folder: str | os.PathLike,
    network: nn.Module,
    fingerprint: dict,
    width: int,
    images: LabelledSet,
    extraction: Extraction,
    dtype: str = "float32",
) -> Store:
    """A folder with what ``network`` makes of the images, a row (width,) each, with a bar meanwhile.

    Args:
        network: images (B, 3, H, W) uint8 -> (B, width), in eval mode.
        fingerprint: what identifies it.
    """
    made_from = describe(
        fingerprint, len(images), images.fingerprint, extraction.view, dtype, extraction.precision
    )
    store = Store(folder, made_from, width)
    quiet = None if rank() == 0 else True  # None: where there is no terminal
    with tqdm(total=len(images), desc=str(images.root), disable=quiet, leave=False) as bar:
        progress = lambda done, _: bar.update(done - bar.n)  # noqa: E731
        pictures = Pictures(images, extraction.view)
        fill(store, network, pictures, extraction.batch_size, extraction.workers, progress)
    return store


def prepared(extraction: Extraction, protocol: Protocol) -> Extraction:
    """The protocol's own way to resize, where the user says nothing of it."""
    return replace(extraction, resize=extraction.resize or protocol.resize or None)


def extractions(protocols: Iterable[Protocol], extraction: Extraction) -> dict[Extraction, set[str]]:
    """Each way in which these protocols have features made, and of which parts: once for all of them."""
    found: dict[Extraction, set[str]] = {}
    for protocol in protocols:
        if protocol.kind == "features":
            found.setdefault(prepared(extraction, protocol), set()).update(protocol.parts)
    return found


def place_of(keep: str | os.PathLike | None, own: Extraction, extraction: Extraction) -> Path | None:
    """Where features are kept; those of a protocol's own way to resize in a folder of its name."""
    return None if keep is None else Path(keep) / ("" if own == extraction else str(own.resize))


def extract_both(
    backbone: Backbone,
    train: LabelledSet,
    val: LabelledSet,
    extraction: Extraction,
    say: Callable[[str], None] = lambda line: None,
    keep: str | os.PathLike | None = None,
    parts: Container[str] = PARTS,
) -> tuple[Features | None, Features | None]:
    """Features of the training and the validation images; says how many and which could not be read.

    Args:
        keep: they are kept in its folders ``train`` and ``val``: see ``extract``.
        parts: of which images; None stands for the others' features.
    """
    features = []
    for part, images in zip(PARTS, (train, val), strict=True):
        if part not in parts:
            features.append(None)
            continue
        start = time.perf_counter()
        found = extract(backbone, images, extraction, None if keep is None else Path(keep) / part)
        seconds = time.perf_counter() - start
        say(f"{images.root}: {len(found.x)} images, {len(found.classes)} classes, {seconds:.1f} s")
        for path in found.unreadable:
            say(f"skipped, could not be read: {path}")
        features.append(found)
    return tuple(features)
