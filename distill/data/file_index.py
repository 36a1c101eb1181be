"""Which images a folder holds: listed once, kept in a file that all processes map.

The file, ``<key>.index`` in ``cache_folder()``, holds the names in their order, the sizes, the fingerprint,
and a stamp of every folder that was looked into. The key is made of the folder's real path and inode and of
the user. It may be removed at any time; a torn, strange or foreign one is made anew.

What is checked when:
  names   when the images are listed, by every process: a folder whose stamp has changed since, or changed
          so shortly before the listing that the clock could not tell, has everything listed anew. An image
          that is added, removed or renamed changes its folder's stamp.
  sizes   when the fingerprint is asked for: each file is looked at. In a run of several processes one
          of a machine does so, once in the run, and the others wait for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np
import psutil

from distill.data.mapped import Mapped, NotWhole, map_arrays, write_arrays
from distill.data.names import Names, printable
from distill.data.walk import no_images_in, stamp, walk
from distill.errors import UserError
from distill.results.manifest import fingerprint_names

KIND = "distill file index 2"
SETTLED = 2 * 10**9  # ns: the coarsest clock of a file system; a folder may change twice within one tick


def list_images(root: str | os.PathLike) -> FileIndex:
    """Paths of all images below ``root``, relative to it, sorted; links to folders are followed.

    A folder that cannot be read, and a link to a folder that it lies in, are left out with a warning.

    Raises:
        UserError: no such folder, no image in it, or one that is no file: a pipe, a link to nowhere.
    """
    if not Path(root).is_dir():
        raise UserError(f"no such image folder: {root}")
    file = _place(root)
    try:
        index = _kept(file, root)
    except OSError as error:
        _warn(f"the list of images is not kept, and listed anew each time: {error.strerror}: {file}")
        index = FileIndex(root, None, Mapped(*_list(root)))
    for each in index.record.get("left_out", ()):
        _warn(f"left out: {os.path.join(root, each)}")
    if not len(index):
        raise UserError(no_images_in(root))
    return index


def cache_folder() -> Path:
    """``$DISTILL_CACHE``, else ``distill`` in ``$XDG_CACHE_HOME``, else ``~/.cache/distill``."""
    if given := os.environ.get("DISTILL_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "distill"


class FileIndex(Names):
    """The names of ``list_images``, and the fingerprint of the files.

    Args:
        root: the folder.
        file: the index on the disk; None: there is none.
        listed: its record and arrays.
    """

    def __init__(self, root: str | os.PathLike, file: Path | None, listed: Mapped):
        names = Names.from_offsets(listed.arrays["names"], listed.arrays["name_offsets"])
        super().__init__(names.text, names.starts, names.ends)
        self.root, self.file, self.record, self.arrays = root, file, listed.record, listed.arrays

    @property
    def sizes(self) -> np.ndarray:
        """(N,) int64, bytes, as they were when the fingerprint was last asked for; before that -1."""
        return self.arrays["sizes"]

    def fingerprint(self) -> str:
        """``fingerprint_files`` of the images, of which each is looked at now (see above).

        Raises:
            UserError: an image is not there any more.
        """
        if self.file is None:
            self._look_at_sizes()
            return self.record["fingerprint"]
        with suppress(OSError), _locked(self.file):
            if not self._take_from_another():
                began = time.time_ns()
                if self._look_at_sizes():
                    write_arrays(self.file, KIND, self.record, self.arrays)
                os.utime(self.file, ns=(began, began))  # when the sizes were last right
            return self.record["fingerprint"]
        self._look_at_sizes()  # the index cannot be written
        return self.record["fingerprint"]

    def _look_at_sizes(self) -> bool:
        """Whether the sizes are other than before; then with a new fingerprint."""
        root = os.fspath(self.root)
        try:
            # no os.path.join: a million calls of it take a second; threads would wait for one another
            sizes = np.fromiter((os.stat(f"{root}/{name}").st_size for name in self), np.int64, len(self))
        except OSError as error:
            raise UserError(f"an image cannot be looked at ({error.strerror}): {error.filename}") from error
        if self.record["fingerprint"] and np.array_equal(sizes, self.sizes):
            return False
        self.arrays = self.arrays | {"sizes": sizes}
        self.record = self.record | {"fingerprint": fingerprint_names(self, sizes.tolist())}
        return True

    def _take_from_another(self) -> bool:
        """Whether another process of this run has looked at the sizes since this one began."""
        if int(os.environ.get("WORLD_SIZE") or 1) < 2:
            return False
        if os.stat(self.file).st_mtime < psutil.Process().create_time():
            return False
        other = _mapped(self.file, self.root)
        if other is None or other.record["names"] != self.record["names"] or not other.record["fingerprint"]:
            return False
        self.record, self.arrays = other.record, other.arrays
        return True

    def __reduce__(self):
        if self.file is None:
            return FileIndex, (self.root, None, Mapped(self.record, self.arrays))
        return _reopened, (self.root, self.file, self.record["names"])


def _reopened(root: str | os.PathLike, file: Path, names: str) -> FileIndex:
    """The index that another process has open."""
    found = _mapped(file, root)
    if found is None or found.record["names"] != names:
        raise UserError(f"the images in {root} were listed anew while this began; run it again")
    return found


def _place(root: str | os.PathLike) -> Path:
    # with the inode, copies of one path on several machines do not take turns in one file
    key = f"{os.path.realpath(root)}\0{os.stat(root).st_ino}\0{os.geteuid()}"
    digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
    return cache_folder() / f"{digest[:24]}.index"


def _mapped(file: Path, root: str | os.PathLike) -> FileIndex | None:
    """The index in a file; None if it is not there, not whole, of another folder or another user's."""
    try:
        found = map_arrays(file, KIND)
        own = os.stat(file).st_uid == os.geteuid()
    except (FileNotFoundError, NotWhole):
        return None
    if not own or found.record["root"] != os.path.realpath(root):
        return None
    return FileIndex(root, file, found)


def _kept(file: Path, root: str | os.PathLike) -> FileIndex:
    """The index in a file, which is written if need be; raises OSError."""
    index = _current(file, root)
    if index is not None:
        return index
    with _locked(file):
        index = _current(file, root)  # another process may have written it meanwhile
        if index is None:
            listed = _list(root)
            _remove_parts(file)
            write_arrays(file, KIND, *listed)
            index = _mapped(file, root)
    # None again: somebody has removed the file already
    return FileIndex(root, None, Mapped(*listed)) if index is None else index


def _current(file: Path, root: str | os.PathLike) -> FileIndex | None:
    """The index in a file, if no folder has changed since the images were listed."""
    index = _mapped(file, root)
    if index is None:
        return None
    folders = Names.from_offsets(index.arrays["folders"], index.arrays["folder_offsets"])
    stamps = np.array([stamp(os.path.join(root, folder)) for folder in folders], np.int64)
    settled = stamps[:, :2].max() < index.record["listed"] - SETTLED
    return index if settled and np.array_equal(stamps, index.arrays["stamps"]) else None


def _list(root: str | os.PathLike) -> tuple[dict, dict[str, np.ndarray]]:
    """Record and arrays of an index whose sizes nobody has looked at."""
    listed = time.time_ns()
    found = walk(os.fspath(root))
    if found.strange:
        shown = ", ".join(found.strange[:3]) + (", ..." if len(found.strange) > 3 else "")
        raise UserError(f"{root}: {len(found.strange)} of its images are no files: {printable(shown)}")
    names, name_offsets = Names.of(sorted(found.images)).to_offsets()
    folders, folder_offsets = Names.of(found.folders).to_offsets()
    record = {
        "root": os.path.realpath(root),
        "listed": listed,
        "names": hashlib.sha256(names.tobytes() + name_offsets.tobytes()).hexdigest(),
        "fingerprint": "",
    }
    if found.left_out:
        record["left_out"] = [printable(each) for each in sorted(found.left_out)]
    return record, {
        "names": names,
        "name_offsets": name_offsets,
        "sizes": np.full(len(found.images), -1, np.int64),
        "folders": folders,
        "folder_offsets": folder_offsets,
        "stamps": np.array(found.stamps, np.int64),
    }


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """One process at a time; where the file system has no locks, all at once, which does no harm."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{file}.lock", "ab") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_parts(file: Path) -> None:
    """Removes what killed processes left of this index."""
    for part in file.parent.glob(f".{file.name}.*.part"):
        part.unlink(missing_ok=True)


@cache
def _warn(line: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(f"warning: {line}", file=sys.stderr)
