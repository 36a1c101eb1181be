"""Teacher embeddings computed once (``distill.features`` has the files) and looked up by sample number."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from distill.data.image_files import open_images
from distill.data.unlabelled import AugmentedImages
from distill.errors import UserError
from distill.features import Pictures, Store, check_rows, compare, describe, fill, read_record
from distill.settings import Count, Number, check_settings
from distill.targets.base import Need, Target
from distill.targets.teacher import Teacher


def write_cache(
    folder: str | os.PathLike,
    teacher: Teacher,
    data_root: str,
    view: dict,
    dtype: str = "float16",
    precision: str = "float32",
    batch_size: Count = 64,
    workers: Number = 2,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Fills the cache in ``folder`` with all processes together; continues what an interrupted call left.

    Args:
        view: config of the fixed preprocessing, e.g. ``dict(type="CentreCrop", size=224)``.
        dtype: of the rows, ``float16`` or ``float32``.
        precision: that the teacher computes in, ``float32``, or ``bfloat16`` or ``float16`` by autocast.
        progress: called with (rows done, rows in all) after every batch.

    Returns:
        The number of rows that were lacking.

    Raises:
        UserError: a setting out of range, a folder that holds a cache of something else, too many images
            that cannot be read, or an embedding that is NaN or infinite.
    """
    check_settings(write_cache, dict(batch_size=batch_size, workers=workers))
    images = open_images(data_root)
    pictures = Pictures(images, view)
    made_from = describe(teacher.fingerprint(), len(images), images.fingerprint, view, dtype, precision)
    store = Store(folder, made_from, teacher.width)
    return fill(store, teacher, pictures, batch_size, workers, progress)


class Rows:
    """A cache's embeddings by sample number: ``rows[index]`` is (width,).

    Attributes:
        array: all of them, memory-mapped, (N, width). It is never pickled: a process that gets a copy of
            this object maps the file itself.
    """

    def __init__(self, file: Path):
        self.file, self.array = file, np.load(file, mmap_mode="r")

    def __reduce__(self):
        return Rows, (self.file,)

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.array(self.array[index])  # read now, from the disk


class CachedTeacher(nn.Module, Target):
    """Embeddings that were computed beforehand; the images are not looked at.

    The teacher has seen the centre crop of each image once; the student still sees random views (CompRess
    section 3, "Caching the teacher embeddings"). The data workers read the embeddings together with the
    images (``rows``), so that the training process never waits for the disk.

    Args:
        folder: written by ``write_cache``.
        network: the teacher that the cache must have been made with; not kept.

    Raises:
        UserError: no cache there, an unfinished one, one of another teacher, or a damaged one.
    """

    def __init__(self, folder: str, network: Teacher):
        super().__init__()
        record = read_record(Path(folder))
        if record is None:
            raise UserError(f"no teacher cache in {folder}; make one with tools/cache_teacher.py")
        made_from = record["made_from"]
        compare(Path(folder), {"teacher": made_from["teacher"]}, {"teacher": network.fingerprint()})
        if record["done"] != made_from["data"]["images"]:
            raise UserError(
                f"{folder}: cache is unfinished ({record['done']} of {made_from['data']['images']} rows); "
                "run tools/cache_teacher.py again to go on"
            )
        self.folder, self.data, self.width = folder, made_from["data"], network.width
        self.name, self.sha256 = f"teacher cache {folder}", network.sha256
        self.gives = frozenset({Need.EMBEDDINGS, Need.ALL_IMAGES} | ({Need.HEAD} & network.gives))
        file = Path(folder) / "embeddings.npy"
        check_rows(file, (self.data["images"], self.width), np.dtype(made_from["dtype"]))
        self.rows = Rows(file)
        shape, dtype = self.rows.array.shape, self.rows.array.dtype
        self._lines = [
            *network.describe(),
            f"  taken from the cache {folder} ({' x '.join(map(str, shape))}, {dtype})",
        ]

    def check_data(self, images: AugmentedImages) -> None:
        """Refuses training data other than the cache's: rows are found by number."""
        compare(
            Path(self.folder),
            {"data": self.data},
            {"data": {"images": len(images), "fingerprint": images.images.fingerprint}},
        )

    def describe(self) -> list[str]:
        return self._lines

    def forward(self, images: Tensor | None, rows: Tensor) -> Tensor:
        """The batch's ``rows`` (B, width) in the cache's own precision -> the same in float32."""
        return rows.float()
