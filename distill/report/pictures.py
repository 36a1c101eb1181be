"""Pictures that ``tools/figures.py`` drew: each says in its text fields what it shows and how it was made."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from distill.errors import UserError
from distill.report import markup


@dataclass(frozen=True)
class Picture:
    """``title``, ``caption`` and ``command`` are "" where the file does not tell."""

    path: Path
    title: str
    caption: str
    command: str


def find_pictures(paths: Iterable[str | os.PathLike]) -> list[Picture]:
    """The PNGs among files and in folders, each once, those of a folder by name.

    Raises:
        UserError: a path that is not there, no PNG, or a folder without any.
    """
    found: dict[Path, Picture] = {}
    for path in map(Path, paths):
        files = sorted(path.glob("*.png")) if path.is_dir() else [path]
        if not files:
            raise UserError(f"--figures {path}: no PNG in this folder")
        found |= {file.resolve(): _read(file) for file in files}
    return list(found.values())


def _read(path: Path) -> Picture:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.text
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"--figures {path}: no PNG to be read ({error})") from error
    title, caption, command = (str(text.get(key, "")) for key in ("Title", "Description", "Comment"))
    return Picture(path, title, caption, command)


def as_html(picture: Picture) -> str:
    """The picture with its own words; its file's name where it has none."""
    title = picture.title or picture.path.stem
    caption = picture.caption or f"{picture.path.name}, which does not tell what it shows."
    shown = markup.image(str(picture.path), f"{title}. {caption}")
    return f"<h3>{markup.cut(title)}</h3>{markup.figure(shown, caption, '', [{'command': picture.command}])}"
