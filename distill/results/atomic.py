"""Files that appear whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; on success it is synced and renamed, on failure removed.

    The folder is made if need be. A reader sees the old file or the new one, never a part of it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def atomic_rests(folder: str | os.PathLike) -> list[Path]:
    """Temporary files in ``folder`` of processes that write now, or were killed while they wrote."""
    return sorted(Path(folder).glob(".*.part"))


def write_bytes(path: str | os.PathLike, content: bytes | memoryview) -> None:
    """Writes ``content`` to ``path`` atomically; raises OSError (a full disk) with the path named."""
    with atomic_path(path) as part:
        try:
            part.write_bytes(content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error


def write_tensors(path: str | os.PathLike, content: dict) -> None:
    """Writes ``content`` with ``torch.save`` to ``path`` atomically; tensors on a CPU are not copied for it.

    Raises:
        OSError: a full disk, with the path named.
    """
    import torch  # most of what uses this module has no tensors

    with atomic_path(path) as part:
        try:
            with open(part, "wb") as file:  # given a name, torch would hide the system's reason for a failure
                torch.save(content, file)
        except (OSError, RuntimeError) as error:
            # after a failed write torch fails once more, as it closes its archive
            reason = error if isinstance(error, OSError) else error.__context__
            if not isinstance(reason, OSError):
                raise
            raise OSError(reason.errno, reason.strerror, str(path)) from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes ``text`` (UTF-8) to ``path`` atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value: object) -> None:
    """Writes ``value`` as indented JSON to ``path`` atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")
