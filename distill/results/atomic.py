"""Files that appear whole or not at all."""

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; on success it is synced and renamed, on failure removed.

    A reader sees the old file or the new one, never a part of it. The folder must be there: one that was
    removed or renamed while a run writes there is not made again in silence.
    """
    part = beside(path)
    try:
        yield part
        _take_place(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(part)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def beside(path: str | os.PathLike) -> Path:
    """A temporary path of this process beside ``path``."""
    path = Path(path)
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.part")


def _take_place(part: Path, path: str | os.PathLike) -> None:
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def atomic_rests(folder: str | os.PathLike) -> list[Path]:
    """Temporary files and folders in ``folder`` of processes that write now, or were killed meanwhile."""
    return sorted(Path(folder).glob(".*.part"))


def remove_rests_of_the_dead(folder: str | os.PathLike) -> None:
    """Removes temporary files and folders of processes of this machine that are no more; others may work."""
    for part in atomic_rests(folder):
        machine, _, pid = part.name.removesuffix(".part").rpartition(".")
        if machine.endswith(f".{platform.node()}") and pid.isdigit() and not _is_alive(int(pid)):
            remove_rest(part)


def remove_rest(part: Path) -> None:
    """Removes what ``atomic_rests`` found."""
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def write_bytes(path: str | os.PathLike, content: bytes | memoryview) -> None:
    """Writes ``content`` to ``path`` atomically; raises OSError (a full disk) with the path named."""
    with atomic_path(path) as part:
        part.write_bytes(content)


def write_tensors(path: str | os.PathLike, content: dict) -> None:
    """Writes ``content`` with ``torch.save`` to ``path`` atomically; tensors on a CPU are not copied for it.

    Raises:
        OSError: a full disk, with the path named.
    """
    begin_tensors(path, content)()


def begin_tensors(path: str | os.PathLike, content: dict) -> Callable[[], None]:
    """The first half of ``write_tensors``: hands ``content`` to the system, after which it may change.

    Returns:
        The second half, which waits for the disk and puts the file in its place; for any thread.
    """
    import torch  # most of what uses this module has no tensors

    part = beside(path)

    def finish() -> None:
        with _cleaned_up(part, path):
            _take_place(part, path)

    with _cleaned_up(part, path), open(part, "wb") as file:
        archive = _Archive(file)
        try:
            torch.save(content, archive)
        except RuntimeError as error:
            if "unexpected pos" in str(error) and error.__context__:  # a signal came around a write
                raise error.__context__ from None
            raise
        archive.check()
    return finish


class _Archive:
    """The file that ``torch.save`` writes to. No write fails; ``check`` raises what stopped the first one.

    After a write that raises, for want of space or by a signal, torch's archive writes its end all the same:
    it fails once more, which hides the reason, or aborts the process.
    """

    def __init__(self, file: BinaryIO):
        self._file, self._error = file, None

    def write(self, data: bytes | memoryview) -> int:
        if self._error is None:
            try:
                self._file.write(data)
            except BaseException as error:
                self._error = error
        return len(data)

    def flush(self) -> None:
        """torch calls it at the end; whoever opened the file closes it."""

    def check(self) -> None:
        if self._error is not None:
            raise self._error


@contextmanager
def _cleaned_up(part: Path, path: str | os.PathLike) -> Iterator[None]:
    """Removes ``part`` on failure; one of the system is an OSError that names ``path``."""
    try:
        yield
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes ``text`` (UTF-8) to ``path`` atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value: object) -> None:
    """Writes ``value`` as indented JSON to ``path`` atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")
