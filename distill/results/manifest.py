"""What a run was made of: versions, commit, command, data."""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "torch", "torchvision", "timm", "numpy", "pillow", "opencv-python", "opencv-python-headless", "mmengine",
    "faiss-cpu", "faiss-gpu",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Installed version of Python, of this project and of every package that can shape a result."""
    from distill import __version__

    found = {"python": platform.python_version(), "distill": __version__}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Commit of the source tree, with ``+changes`` if tracked files differ; None outside a repository."""
    root = Path(__file__).resolve().parent.parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return None
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def fingerprint_files(root: str | os.PathLike, names: Collection[str]) -> str:
    """SHA-256 over relative names and sizes in bytes, in the given order; it does not read the files."""
    return fingerprint_names(names, (os.stat(os.path.join(root, name)).st_size for name in names))


def fingerprint_names(names: Iterable[str], sizes: Iterable[int]) -> str:
    """``fingerprint_files`` of files whose sizes in bytes are known."""
    digest = hashlib.sha256()
    for name, size in zip(names, sizes, strict=True):
        digest.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def flatten(values: dict, prefix: str = "") -> dict:
    """``{"a": {"b": 1}}`` -> ``{"a.b": 1}``."""
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def differing_keys(one: dict, other: dict) -> list[str]:
    """Dotted keys, sorted, whose values are not the same in both or that only one has."""
    one, other = flatten(one), flatten(other)
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def run_manifest(config_text: str, seed: int, data: dict) -> dict:
    """The facts that repeat a run: config, command, versions, commit, seed, data and machine."""
    return {
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": config_text,
        "seed": seed,
        "data": data,
        "versions": versions(),
        "git": git_commit(),
        "machine": {
            "system": platform.platform(), "processor": platform.machine(), "cpus": os.cpu_count(),
        },
    }  # fmt: skip
