"""Where the files of a data set in COCO's format are: under COCO's own names, or under others."""

import json
import os
import re
from collections import Counter
from pathlib import Path

from distill.errors import UserError

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation", "test")}  # words of file names, by rank
INSIDE = ("", "coco")


def is_there(root: str | os.PathLike) -> bool:
    """Has ``root`` or ``root/coco`` an annotation file of each split?"""
    return any(all(_candidates(folder, split) for split in SPLITS) for folder in _folders(root))


def find_files(root: str | os.PathLike, split: str) -> tuple[Path, Path]:
    """(annotation file, picture folder) of ``train`` or ``val``.

    Looked for: ``annotations/instances_<split>2017.json`` beside ``<split>2017``; else the one JSON file
    that has the split's name in its own or its folder's (``train.json``, ``annotations/val.json``,
    ``train/_annotations.coco.json``), and the folder in which its first picture is.

    Raises:
        UserError: no such file, several, or no folder with its pictures.
    """
    folder = next((folder for folder in _folders(root) if _candidates(folder, split)), None)
    if folder is None:
        raise UserError(
            f"no annotation file of {split} in COCO's format in {root}: looked for "
            f"annotations/instances_{split}2017.json and other .json files with one of "
            f"{', '.join(SPLITS[split])} in their names or their folders'"
        )
    files = _candidates(folder, split)
    if len(files) > 1:
        names = ", ".join(str(file.relative_to(folder)) for file in files)
        raise UserError(
            f"{folder}: which of {names} is for {split}? Call it annotations/instances_{split}2017.json"
        )
    return files[0], _picture_folder(folder, files[0], split)


def read(path: Path) -> dict:
    """The content of an annotation file: lists of images and annotations, and categories with id and name.

    Raises:
        UserError: it is not COCO's; what single images and annotations lack is ``coco_check``'s.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    needed = ("images", "annotations", "categories")
    missing = [key for key in needed if not isinstance(content, dict) or key not in content]
    if missing:
        raise UserError(f"{path}: not COCO annotations, it lacks {', '.join(missing)}")
    for key in needed:
        if not isinstance(content[key], list):
            raise UserError(f"{path}: not COCO annotations, its {key} are a {type(content[key]).__name__}")
    for item in content["categories"]:
        if (
            not isinstance(item, dict)
            or type(item.get("id")) is not int
            or not isinstance(item.get("name"), str)
        ):
            raise UserError(f"{path}: a category needs a whole number as id, and a name; one is {item!r:.80}")
    for key in ("id", "name"):
        often = Counter(item[key] for item in content["categories"])
        if twice := [value for value, count in often.items() if count > 1]:
            raise UserError(f"{path}: several categories have the {key} {twice[0]!r}")
    return content


def _folders(root: str | os.PathLike) -> list[Path]:
    return [Path(root) / name for name in INSIDE if (Path(root) / name).is_dir()]


def _candidates(folder: Path, split: str) -> list[Path]:
    """The annotation files that may be the split's; COCO's own name comes before all others."""
    own = folder / f"annotations/instances_{split}2017.json"
    if own.is_file():
        return [own]
    files = sorted(filter(Path.is_file, [*folder.glob("*.json"), *folder.glob("annotations/*.json")]))
    for word in SPLITS[split]:
        named = [file for file in files if word in _words(file.stem)]
        named = [file for file in named if "instances" in _words(file.stem)] or named
        named = named or sorted(filter(Path.is_file, folder.glob(f"{word}*/*.json")))
        if named:
            return named
    return []


def _words(name: str) -> list[str]:
    return re.split("[^a-z]+", name.lower())


def _picture_folder(folder: Path, file: Path, split: str) -> Path:
    own = folder / f"{split}2017"
    if own.is_dir() and file.name == f"instances_{split}2017.json":
        return own  # the whole of COCO takes a while to read
    images = read(file)["images"]
    if not images:
        raise UserError(f"{file}: it names no pictures")
    name = next((one["file_name"] for one in images if has_name(one)), None)
    if name is None:
        raise UserError(f"{file}: its images have no file_name")
    words = [f"{split}2017", *SPLITS[split]]
    places = [*words, *(f"images/{word}" for word in words), "images", ""]
    found = next(
        (p for p in (file.parent, *(folder / place for place in places)) if (p / name).is_file()), None
    )
    if found is None:
        raise UserError(f"{file}: its first picture, {name}, is in none of {folder}/{{{','.join(places)}}}")
    return found


def has_name(image: object) -> bool:
    """Whether an entry of ``images`` names a file."""
    return isinstance(image, dict) and isinstance(image.get("file_name"), str)
