"""Checkpoint files, read without running any code from them."""

import errno
import hashlib
import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path

import torch

from distill.errors import UserError


def file_sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Ignored:
    """Stands in for a setting or a NumPy number that a file holds beside the weights; keeps nothing."""

    def __init__(self, *args):
        pass

    def __setstate__(self, state):
        pass


# what published training states (DINO's) hold besides tensors; the code of these names is never reached
IGNORED = tuple(
    (_Ignored, name)
    for name in (
        "argparse.Namespace", "pathlib.PosixPath", "pathlib._local.PosixPath", "numpy.dtype",
        "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    )
)  # fmt: skip


def read_file(path: str | os.PathLike, mmap: bool = False) -> dict:
    """Reads a checkpoint without running any code from it (``weights_only``), if it is as it was written.

    ``torch.save`` writes an archive with a checksum of every tensor, which ``torch.load`` does not look at.

    Args:
        path: what ``torch.save`` or safetensors wrote.
        mmap: leave the tensors of ``torch.save`` in the file until they are used, instead of in memory.

    Raises:
        UserError: no such file, not a whole checkpoint, a damaged one, or one that needs code to load.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no such checkpoint file: {path}")
    try:
        _check_archive(path)
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals(list(IGNORED)), warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        if "Unsupported operand" in str(error):
            raise UserError(f"{path}: not a whole checkpoint (neither an archive nor a pickle)") from error
        found = re.search(r"(?:GLOBAL|global)\s+([\w.]+)", str(error))
        needs = f" ({found.group(1)})" if found else ""
        raise UserError(
            f"{path}: refused, it is not a file of plain tensors: loading it would run code from it{needs}; "
            "save its state dict alone and use that"
        ) from error
    except UserError:
        raise
    except Exception as error:  # torch, zip and safetensors each have their own error for a torn file
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a place before the file's beginning
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{path}: not a whole checkpoint ({reason[:120]})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds a {type(content).__name__}, not a dict of tensors")
    return content


def _check_archive(path: Path) -> None:
    """Raises UserError where a zip archive is not what its checksums say, or would unpack to more."""
    if not zipfile.is_zipfile(path):
        return  # older torch.save, safetensors: they have no checksums
    with zipfile.ZipFile(path) as archive:
        size, declared = path.stat().st_size, sum(entry.file_size for entry in archive.infolist())
        if declared > size:
            raise UserError(f"{path}: refused, {size:,} bytes that would unpack to {declared:,}")
        if damaged := archive.testzip():
            raise UserError(f"{path}: damaged, {damaged} in it is not as it was written (CRC-32)")
