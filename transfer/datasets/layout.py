"""Finding a dataset's folder below the one the user names."""

import os
from collections.abc import Iterable
from pathlib import Path

from distill.errors import UserError


def has_folder(root: str | os.PathLike, inside: Iterable[str], needs: Iterable[str]) -> bool:
    """Does one of ``root/<inside>`` hold everything in ``needs``?"""
    needs = list(needs)
    return any(all((Path(root) / name / need).exists() for need in needs) for name in inside)


def find_folder(root: str | os.PathLike, inside: Iterable[str], needs: Iterable[str], what: str) -> Path:
    """The first of ``root/<inside>`` that holds everything in ``needs``.

    Raises:
        UserError: naming the folders looked in, and what the nearest of them lacks.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"--data-root {root}: no such folder (it should hold {what})")
    needs = list(needs)
    lacking = {}
    for name in inside:
        folder = root / name
        missing = [need for need in needs if not (folder / need).exists()]
        if not missing:
            return folder
        lacking[folder] = missing
    nearest = min(lacking, key=lambda folder: len(lacking[folder]))
    raise UserError(
        f"no {what} in {root}: looked for {', '.join(needs)} in {', '.join(map(str, lacking))}; "
        f"{nearest} lacks {', '.join(lacking[nearest])}"
    )


def read_names(path: Path) -> list[str]:
    """The first word of every non-empty line; UserError for a missing or empty file, or no text."""
    if not path.is_file():
        raise UserError(f"no such split file: {path}")
    try:
        names = [line.split()[0] for line in path.read_text().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: no text ({error})") from error
    if not names:
        raise UserError(f"{path}: an empty split")
    return names
