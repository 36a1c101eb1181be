"""Pictures that two sets share: the same file, or a copy of it that was saved anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

import numpy as np
from PIL import Image

from distill.data.image_files import ImageFiles
from distill.data.images import UnreadableImage, decode_image

SIDE = 16
ALIKE = 0.98  # of two thumbnails' cosine; docs/proof.md says what it finds
FLAT = 2.0  # grey values; a picture that varies less in its thumbnail is like any other of its kind
ENOUGH = 256  # pixels of a side; a photo of 12 megapixels is decoded in a seventh of the time
AT_ONCE = 1024


@dataclass(frozen=True)
class Copy:
    """Two pictures that are one: their names, and the cosine of their thumbnails; 1.0 for the same file."""

    ours: str
    theirs: str
    cosine: float
    same_file: bool

    def __str__(self) -> str:
        how = "the same file as" if self.same_file else f"a near copy ({self.cosine:.3f}) of"
        return f"{self.ours} is {how} {self.theirs}"


@dataclass(frozen=True)
class Marks:
    """What pictures are known by: SHA-256 of their files, and unit thumbnails (N, 256), zero where flat.

    Of a file that is gone the digest is empty, of one that is no whole picture the thumbnail is zero.
    """

    digests: tuple[bytes, ...]
    thumbnails: np.ndarray


def marks_of(images: ImageFiles) -> Marks:
    """Reads every picture once. One that cannot be read is compared by its file alone."""
    digests, thumbnails = [], np.zeros((len(images), SIDE * SIDE), np.float32)
    for row, (digest, thumbnail) in enumerate(_in_order(images)):
        digests.append(digest)
        thumbnails[row] = thumbnail
    return Marks(tuple(digests), thumbnails)


def find_copies(ours: ImageFiles, our: Marks, theirs: ImageFiles, their: Marks) -> list[Copy]:
    """The pictures of ``ours`` that are among ``theirs``, each once, with what is most like it there.

    A near copy is one whose thumbnail, 16 x 16 grey values less their mean, has a cosine of 0.98 or more with
    that of the other picture or of its mirror image. Saving anew with losses, another size, grey in place of
    colours, and other brightness or contrast leave it so; a crop of a twentieth does not.
    """
    same = {digest: row for row, digest in reversed(list(enumerate(their.digests))) if digest}
    found = []
    mirrored = their.thumbnails.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(len(theirs), -1)
    for first in range(0, len(ours), AT_ONCE):
        some = our.thumbnails[first : first + AT_ONCE]
        best, where = np.full(len(some), -1.0, np.float32), np.zeros(len(some), int)
        for start in range(0, len(theirs), AT_ONCE):
            for pictures in (their.thumbnails, mirrored):
                cosines = some @ pictures[start : start + AT_ONCE].T
                at, rows = cosines.argmax(axis=1), np.arange(len(some))
                better = cosines[rows, at] > best
                best[better], where[better] = cosines[rows, at][better], start + at[better]
        for row in range(len(some)):
            number = first + row
            if (other := same.get(our.digests[number])) is not None:
                found.append(Copy(ours.name(number), theirs.name(other), 1.0, True))
            elif best[row] >= ALIKE:
                found.append(Copy(ours.name(number), theirs.name(where[row]), float(best[row]), False))
    return found


def _in_order(images: ImageFiles) -> Iterator[tuple[bytes, np.ndarray]]:
    def look(number: int) -> tuple[bytes, np.ndarray]:
        try:
            content = images.content(number)
        except UnreadableImage:
            return b"", np.zeros(SIDE * SIDE, np.float32)
        try:
            return sha256(content).digest(), thumbnail(decode_image(content, images.name(number), ENOUGH))
        except UnreadableImage:
            return sha256(content).digest(), np.zeros(SIDE * SIDE, np.float32)

    numbers = iter(range(len(images)))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        while some := list(islice(numbers, AT_ONCE)):  # all at once would hold every picture's future
            yield from threads.map(look, some)


def thumbnail(image: Image.Image) -> np.ndarray:
    """The grey values of a picture of 16 x 16 less their mean, (256,) of length 1; zeros for a flat one."""
    small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    values = np.asarray(small, np.float32).ravel()
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length > FLAT * SIDE else np.zeros_like(values)
