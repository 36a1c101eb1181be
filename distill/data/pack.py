"""A folder of images -> a few large tar files (``distill.data.shards`` says which)."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import PIL
from torch.utils.data import DataLoader, Dataset

from distill.data.file_index import FileIndex, list_images
from distill.data.image_files import ImageFiles
from distill.data.images import UnreadableImage
from distill.data.mapped import write_arrays
from distill.data.names import Names
from distill.data.shards import INDEX, KIND, RECORD, Shards, index_arrays, is_packed
from distill.data.shrink import shrink
from distill.data.tar_files import bytes_in_tar, places_in_tar, write_tar
from distill.data.workers import ending_with_us
from distill.errors import UserError
from distill.results.atomic import write_json
from distill.results.manifest import differing_keys, fingerprint_names


def pack(
    root: str | os.PathLike,
    out: str | os.PathLike,
    max_side: int | None = None,
    shard_bytes: int = 512 * 10**6,
    workers: int = 2,
    say: Callable[[str], None] = print,
) -> Shards:
    """Packs all images below ``root``; an interrupted call is gone on with by the same one.

    Args:
        root: a folder of images, however nested.
        out: a new folder for the shards, or one that such a call has begun.
        max_side: pixels; larger images are scaled down to it and encoded again. None: the bytes stay.
        shard_bytes: the most that a shard takes of ``root``; an image is never cut in two.
        workers: processes that read (0: this one).
        say: takes a line of progress at a time.

    Raises:
        UserError: no images, a folder ``out`` of something else, a disk too small, or images that changed
            meanwhile.
    """
    if is_packed(root):
        raise UserError(f"{root}: these are shards already")
    images, out = list_images(root), Path(out)
    source = {"fingerprint": images.fingerprint(), "images": len(images)}
    record = {"source": source} | _settings(max_side, shard_bytes)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: not a folder")
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out) as lock:
        _begin(out, record)
        shards = [
            _Shard(out / f"images-{number:06d}.tar", rows, images[rows.start : rows.stop])
            for number, rows in enumerate(plan(images.sizes, shard_bytes))
        ]
        places = {shard.file: places_in_tar(shard.file, shard.names) for shard in shards}
        lacking = [shard for shard in shards if places[shard.file] is None]
        if max_side is None:
            _check_room(out, sum(int(bytes_in_tar(images.sizes[shard.rows]).sum()) for shard in lacking))
        reading = _Reading(ImageFiles(root, images), images.sizes, max_side)
        contents = _contents(reading, [row for shard in lacking for row in shard.rows], workers, lock)
        tell = _progress(say, len(shards), len(shards) - len(lacking))
        for shard in lacking:
            told = _told(contents, len(shard.names), say)
            write_tar(shard.file, zip(shard.names, told, strict=True))
            places[shard.file] = places_in_tar(shard.file, shard.names)
            tell()
        _finish(out, shards, places, images, record)
    if not lacking:
        say("nothing to do: all shards are there")
    return Shards(out)


@dataclass(frozen=True)
class _Shard:
    """A tar file, the numbers of its images and their names."""

    file: Path
    rows: range
    names: Names


def plan(sizes: np.ndarray, shard_bytes: int) -> list[range]:
    """The rows of each shard, which depend on the sizes (N,) alone: any call makes the same shards."""
    ends = np.cumsum(bytes_in_tar(sizes))
    shards, first = [], 0
    while first < len(sizes):
        before = ends[first - 1] if first else 0
        end = int(np.searchsorted(ends, before + shard_bytes, side="right"))
        shards.append(range(first, max(end, first + 1)))
        first = shards[-1].stop
    return shards


@dataclass(frozen=True)
class _Reading(Dataset):
    """Item i is the content for image i, and "" or why it could not be scaled and is as it was."""

    images: ImageFiles
    sizes: np.ndarray
    max_side: int | None

    def __getitem__(self, row: int) -> tuple[bytes, str]:
        content = self.images.content(row)
        if len(content) != self.sizes[row]:
            raise UserError(f"{self.images.name(row)}: it changed while it was packed")
        if self.max_side is None:
            return content, ""
        try:
            return shrink(content, self.images.name(row), self.max_side), ""
        except UnreadableImage as error:
            return content, str(error)


def _contents(reading: _Reading, rows: list[int], workers: int, lock: int) -> Iterator[tuple[bytes, str]]:
    """What belongs into the shards, in the order of ``rows``."""
    yield from DataLoader(
        reading,
        batch_size=None,
        sampler=rows,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
        # held by a worker as well, the lock would outlive a killed process for a moment
        worker_init_fn=ending_with_us(lambda _: os.close(lock)),
    )


def _told(contents: Iterator[tuple[bytes, str]], count: int, say: Callable[[str], None]) -> Iterator[bytes]:
    """The next contents; names those that stay as they are because they cannot be read."""
    for content, reason in islice(contents, count):
        if reason:
            say(f"  copied as it is: {reason}")
        yield content


def _settings(max_side: int | None, shard_bytes: int) -> dict:
    encoder = {} if max_side is None else {"encoder": f"Pillow {PIL.__version__}"}  # others, other bytes
    return {"max_side": max_side, "shard_bytes": shard_bytes} | encoder


@contextmanager
def _alone(out: Path) -> Iterator[int]:
    """Raises UserError if another process packs into the same folder; gives the lock's file number."""
    lock = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"{out}: another process packs into this folder") from error
        yield lock
    finally:
        os.close(lock)


def _begin(out: Path, record: dict) -> None:
    """Writes what is to be packed, or compares it with what was written first."""
    for part in out.glob(".*.part"):  # a killed process left it
        part.unlink()
    if not (out / RECORD).exists():
        if any(out.iterdir()):
            raise UserError(f"{out}: not empty, and holds no shards; name another folder")
        write_json(out / RECORD, record)
    try:
        differing = differing_keys(json.loads((out / RECORD).read_text()), record)
    except (ValueError, AttributeError) as error:
        raise UserError(f"{out / RECORD}: not as it was written; remove the folder") from error
    if differing:
        raise UserError(
            f"{out}: begun with other images or settings ({', '.join(differing)} differ); "
            "remove it or name another folder"
        )


def _check_room(out: Path, needed: int) -> None:
    free = shutil.disk_usage(out).free
    if needed > free:
        raise UserError(f"{out}: no room, {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} free")


def _progress(say: Callable[[str], None], count: int, done: int) -> Callable[[], None]:
    """A function to call after every shard; it says how far the work is, every ten seconds."""
    started = shown = time.monotonic()

    def tell() -> None:
        nonlocal done, shown
        done += 1
        if time.monotonic() - shown > 10 or done == count:
            shown = time.monotonic()
            say(f"  {done} of {count} shards, {shown - started:.0f} s")

    return tell


def _finish(
    out: Path, shards: list[_Shard], places: dict[Path, tuple | None], images: FileIndex, record: dict
) -> None:
    """Writes the index, once the shards hold what the folder held from the first to the last."""
    if broken := [file for file, found in places.items() if found is None]:
        raise UserError(f"{broken[0]}: it is not what was written; is the disk in order?")
    offsets, sizes = (np.concatenate(column) for column in zip(*places.values(), strict=True))
    numbers = np.repeat(np.arange(len(shards)), [len(shard.rows) for shard in shards])
    before, now = record["source"]["fingerprint"], list_images(images.root).fingerprint()
    fingerprint = fingerprint_names(images, sizes.tolist())
    if now != before or (record["max_side"] is None and fingerprint != before):
        raise UserError(f"{images.root}: it changed while it was packed; remove {out} and pack it again")
    about = {
        "fingerprint": fingerprint,
        "source": before,
        "max_side": record["max_side"],
        "shards": [[shard.file.name, shard.file.stat().st_size] for shard in shards],
    }
    write_arrays(out / INDEX, KIND, about, index_arrays(images, offsets, sizes, numbers))
