"""The images below a folder, and how a change of a folder shows."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

Stamp = tuple[int, int, int]


@dataclass
class Walk:
    """What lies below a folder; all paths are relative to it.

    Attributes:
        images: files that are called as images are.
        folders: those that were looked into, which cannot all be read.
        stamps: of the folders, taken before they were read.
        strange: what is called as an image is and is no file: its path, and what it is.
        left_out: folders that were not looked into, and why.
    """

    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    stamps: list[Stamp] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def no_images_in(root: str | os.PathLike) -> str:
    return f"no images in {root} (looked for {', '.join(sorted(IMAGE_SUFFIXES))})"


def stamp(folder: str) -> Stamp:
    """Times of the last change (content, and content or rights) in ns, and inode; -1 if it is not there."""
    return _look(folder)[0]


def _look(folder: str) -> tuple[Stamp, tuple[int, int]]:
    """A folder's stamp, and what it is known by under any path."""
    try:
        found = os.stat(folder)
    except OSError:
        return (-1, -1, -1), (-1, -1)
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino), (found.st_dev, found.st_ino)


def walk(root: str) -> Walk:
    """Looks into every folder below ``root``; links are followed, but not to a folder that they lie in."""
    found, strange, waiting = Walk(), [], [("", ())]
    images = found.images
    while waiting:
        folder, above = waiting.pop()
        place = os.path.join(root, folder)
        changed, known_by = _look(place)
        if known_by in above:
            found.left_out.append(f"{folder}: a link to a folder that it lies in")
            continue
        found.folders.append(folder)
        found.stamps.append(changed)
        prefix = f"{folder}/" if folder else ""
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    try:
                        names = images if entry.is_file() else None if entry.is_dir() else strange
                    except OSError:  # a link to itself, or to where it may not be followed
                        names = strange
                    if names is None:
                        waiting.append((prefix + entry.name, (*above, known_by)))
                    elif _is_image(entry.name):
                        names.append(prefix + entry.name)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                found.left_out.append(f"{folder}: {error.strerror}")
    found.strange = [f"{name} ({_kind(os.path.join(root, name))})" for name in sorted(strange)]
    return found


def _is_image(name: str) -> bool:
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES and name[0] != "."


def _kind(path: str) -> str:
    try:
        return KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "no file")
    except OSError as error:
        return f"a link: {error.strerror}"
