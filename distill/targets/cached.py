"""Teacher embeddings computed once and looked up by sample number.

A cache is a folder of two files: ``embeddings.npy``, memory-mapped, (N, D) in float16 or float32, a row
an image in the data set's order; and ``cache.json``, what it was made from and how many rows are done.
"""

import json
import os
from pathlib import Path

import numpy as np
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from distill.data.images import too_many_unreadable
from distill.data.unlabelled import UnlabelledImages, collate_views
from distill.errors import UserError
from distill.results.atomic import write_json
from distill.results.manifest import differing_keys, flatten
from distill.targets.base import Need, Target
from distill.targets.teacher import Teacher

DTYPES = ("float16", "float32")
# half precision keeps a unit vector's similarities to about 1e-3: fine at T = 0.04, not at SEED's 1e-4


class _InOrder(Dataset):
    """Items ``start`` to the end, in order; a pass without randomness has no epochs."""

    def __init__(self, images: UnlabelledImages, start: int):
        self.images, self.start = images, start

    def __len__(self) -> int:
        return len(self.images) - self.start

    def __getitem__(self, place: int) -> dict:
        return self.images[0, self.start + place]


def describe(teacher: Teacher, images: UnlabelledImages, augmentation: dict, dtype: str) -> dict:
    """What a cache must have been made from to be usable: network, images, their preprocessing."""
    return {
        "teacher": teacher.fingerprint(),
        "data": {"images": len(images), "fingerprint": images.fingerprint},
        "view": augmentation,
        "dtype": dtype,
    }


def write_cache(
    folder: str | os.PathLike,
    teacher: Teacher,
    data_root: str,
    view: dict,
    dtype: str = "float16",
    batch_size: int = 64,
    workers: int = 2,
    progress=lambda done, total: None,
) -> int:
    """Fills the cache in ``folder``, going on where an interrupted call stopped.

    Args:
        view: config of the fixed preprocessing, e.g. ``dict(type="CentreCrop", size=224)``.
        dtype: ``float16`` or ``float32``.
        progress: called with (rows done, rows in all) after every batch.

    Returns:
        The number of rows written by this call.

    Raises:
        UserError: the folder holds a cache of something else, or too many images cannot be read.
    """
    if dtype not in DTYPES:
        raise UserError(f"cache dtype {dtype!r}; valid: {', '.join(DTYPES)}")
    folder = Path(folder)
    images = UnlabelledImages(data_root, view)
    wanted = describe(teacher, images, view, dtype)
    record = _read_record(folder)
    if record is not None:
        _compare(folder, record["made_from"], wanted)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        record = {"made_from": wanted, "done": 0, "unreadable": []}
    path = folder / "embeddings.npy"
    mode = "r+" if record["done"] else "w+"
    rows = np.lib.format.open_memmap(path, mode, dtype=dtype, shape=(len(images), teacher.width))
    first = record["done"]
    if first == 0:
        _reserve(path)
    loader = DataLoader(_InOrder(images, first), batch_size, num_workers=workers, collate_fn=collate_views)
    device = next(teacher.parameters()).device
    for batch in loader:
        embeddings = teacher(batch["views"][0].to(device)).float().cpu().numpy()
        start = record["done"]
        rows[start : start + len(embeddings)] = embeddings
        rows.flush()  # rows first, then the count: a crash in between repeats a batch and loses nothing
        record["done"] = start + len(embeddings)
        record["unreadable"] = sorted({*record["unreadable"], *batch["unreadable"]})
        error = too_many_unreadable(record["unreadable"], len(images))
        if error:
            raise error
        write_json(folder / "cache.json", record)
        progress(record["done"], len(images))
    return record["done"] - first


def _reserve(path: Path) -> None:
    """Takes the disk space now: writing to a hole in a memory map on a full disk kills the process."""
    try:
        with open(path, "rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


def _read_record(folder: Path) -> dict | None:
    record = folder / "cache.json"
    return json.loads(record.read_text()) if record.is_file() else None


def _compare(folder: Path, made_from: dict, wanted: dict) -> None:
    differing = [key for key in differing_keys(made_from, wanted) if key in flatten(wanted)]
    if differing:
        raise UserError(
            f"{folder}: this cache was made from something else ({', '.join(differing)} differ); "
            "remove it or name another folder"
        )


class Rows:
    """A cache's embeddings by sample number: ``rows[index]`` is (width,).

    Attributes:
        array: all of them, memory-mapped, (N, width). Never pickled: a process that this is sent to maps
            the file itself.
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

    The teacher has seen each image once, in the centre crop; the student goes on seeing random views
    (CompRess section 3, "Caching the teacher embeddings"). The data workers read the embeddings together
    with the images (``rows``), so that the training process never waits for the disk.

    Args:
        folder: written by ``write_cache``.
        network: the teacher that the cache must have been made with; not kept.

    Raises:
        UserError: no cache there, an unfinished one, or one of another teacher.
    """

    def __init__(self, folder: str, network: Teacher):
        super().__init__()
        record = _read_record(Path(folder))
        if record is None:
            raise UserError(f"no teacher cache in {folder}; make one with tools/cache_teacher.py")
        made_from = record["made_from"]
        _compare(Path(folder), {"teacher": made_from["teacher"]}, {"teacher": network.fingerprint()})
        if record["done"] != made_from["data"]["images"]:
            raise UserError(
                f"{folder}: cache is unfinished ({record['done']} of {made_from['data']['images']} rows); "
                "run tools/cache_teacher.py again to go on"
            )
        self.folder, self.data, self.width = folder, made_from["data"], network.width
        self.name = f"teacher cache {folder}"
        self.gives = frozenset({Need.EMBEDDINGS, Need.ALL_IMAGES} | ({Need.HEAD} & network.gives))
        self.rows = Rows(Path(folder) / "embeddings.npy")
        shape, dtype = self.rows.array.shape, self.rows.array.dtype
        self._lines = [
            *network.describe(),
            f"  taken from the cache {folder} ({' x '.join(map(str, shape))}, {dtype})",
        ]

    def check_data(self, images: UnlabelledImages) -> None:
        """Refuses training data other than the cache's: rows are found by number."""
        _compare(
            Path(self.folder),
            {"data": self.data},
            {"data": {"images": len(images), "fingerprint": images.fingerprint}},
        )

    def describe(self) -> list[str]:
        return self._lines

    def forward(self, images: Tensor | None, rows: Tensor) -> Tensor:
        """The batch's ``rows`` (B, width) in the cache's own precision -> the same in float32."""
        return rows.float()
