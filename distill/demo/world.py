"""The demo world: one small labelled world in every layout that this project reads.

``write_demo(root)`` or ``python -m distill.demo OUT`` writes, in seconds and without a download:

```
OUT/imagefolder/{train,val}/<digit>/*.jpg              sheets of one digit, 10 classes
OUT/voc/VOCdevkit/VOC2007                              boxes (trainval, test)
OUT/voc/VOCdevkit/VOC2012                              class masks (train, val; 255 on outlines)
OUT/coco/{train2017,val2017,annotations}               boxes and RLE masks
OUT/cityscapes/{leftImg8bit,gtFine}/{train,val}/<city> labelIds, labelTrainIds, instanceIds
OUT/demo.json                                          parameters and fingerprint, written last
```

The three scene layouts hold the same scenes. No stroke of a validation picture is in a training picture.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from distill.demo.layouts import SCENE_LAYOUTS, save_jpeg, write_classes
from distill.demo.scenes import DIGITS, SPLITS, Strokes, draw_scene, draw_sheet, load_strokes
from distill.errors import UserError, naming
from distill.results.atomic import write_json

VERSION = 2  # of the pictures; a copy of another version is written again
LAYOUTS = ("imagefolder", *SCENE_LAYOUTS)
MARK = "demo.json"
STAGING = ".demo-partial"
SHEETS, SCENES = 0, 1  # which stream of random numbers


@dataclass(frozen=True)
class DemoSpec:
    """What a demo world is made of; pairs count (train, val) pictures, sizes are pixels."""

    seed: int = 0
    n_classification: tuple[int, int] = (1000, 500)
    n_scenes: tuple[int, int] = (120, 60)
    image_size: int = 64
    scene_size: int = 128

    def __post_init__(self):
        for key in ("n_classification", "n_scenes"):
            pair = getattr(self, key)
            if len(pair) != 2 or min(pair) < 1:
                raise UserError(f"{key} is {pair}; it must be two counts (train, val) of at least 1")
        for key, least in (("seed", 0), ("image_size", 32), ("scene_size", 64)):
            if getattr(self, key) < least:
                raise UserError(f"{key} is {getattr(self, key)}; it must be at least {least}")


def write_demo(
    root: str | os.PathLike,
    seed: int = 0,
    n_classification: tuple[int, int] = (1000, 500),
    n_scenes: tuple[int, int] = (120, 60),
    image_size: int = 64,
    scene_size: int = 128,
) -> Path:
    """Writes the demo world into ``root`` unless a complete copy with these parameters is there.

    The same arguments give the same bytes (with the same Pillow, whose encoders write the files). A copy
    with other parameters, or one that lost files, is replaced; so is what an interrupted call left.
    Two processes may call it at once: the second waits and finds the first one's work.

    Raises:
        UserError: parameters out of range, or ``root`` is a file or holds a folder that has a layout's name
            and was not written by this function.
    """
    spec = DemoSpec(seed, tuple(n_classification), tuple(n_scenes), image_size, scene_size)
    root = Path(root)
    if root.exists() and not root.is_dir():
        raise UserError(f"demo data: {root} is a file; name a folder")
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root), naming(root):
        if not _is_complete(root, spec):
            _refuse_foreign_folders(root)
            _write(root, spec)
    return root


def _write(root: Path, spec: DemoSpec) -> None:
    """Writes all into a folder of its own, then moves it into place and marks it complete."""
    staging = root / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    strokes = load_strokes()
    _write_imagefolder(spec, strokes, staging / "imagefolder")
    scenes = {
        split: [
            draw_scene(_stream(spec, SCENES, split, i), strokes[split], spec.scene_size) for i in range(count)
        ]
        for split, count in zip(SPLITS, spec.n_scenes, strict=True)
    }
    for layout, write in SCENE_LAYOUTS.items():
        write(scenes, staging / layout)
    mark = {**_identity(spec), "files": _count_files(staging), "sha256": fingerprint(staging)}
    (root / MARK).unlink(missing_ok=True)
    for layout in LAYOUTS:
        shutil.rmtree(root / layout, ignore_errors=True)
        os.replace(staging / layout, root / layout)
    write_json(root / MARK, mark)
    staging.rmdir()  # removed last: while it exists, folders without a mark are known to be ours


def _write_imagefolder(spec: DemoSpec, strokes: dict[str, Strokes], root: Path) -> None:
    for split, count in zip(SPLITS, spec.n_classification, strict=True):
        for number, name in enumerate(DIGITS):
            # ImageFolder numbers the classes by sorted folder name: the digit in front keeps 0..9
            (root / split / f"{number}_{name}").mkdir(parents=True)
        for i in range(count):
            label = i % len(DIGITS)
            picture = draw_sheet(_stream(spec, SHEETS, split, i), strokes[split], label, spec.image_size)
            save_jpeg(picture, root / split / f"{label}_{DIGITS[label]}" / f"{i:05d}.jpg")
    write_classes(root, tuple(f"{number}_{name}" for number, name in enumerate(DIGITS)))


def _stream(spec: DemoSpec, kind: int, split: str, i: int) -> np.random.Generator:
    """The random numbers of one picture, so that more pictures leave the earlier ones unchanged."""
    return np.random.default_rng([spec.seed, kind, SPLITS.index(split), i])


def fingerprint(root: str | os.PathLike) -> str:
    """SHA-256 over the names and bytes of all layout files below ``root``."""
    digest = hashlib.sha256()
    for path in _layout_files(Path(root)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _layout_files(root: Path) -> list[Path]:
    return sorted(path for layout in LAYOUTS for path in (root / layout).rglob("*") if path.is_file())


def _count_files(root: Path) -> int:
    return len(_layout_files(root))


def _identity(spec: DemoSpec) -> dict:
    return json.loads(json.dumps({"version": VERSION, **asdict(spec)}))  # tuples as JSON has them


def _is_complete(root: Path, spec: DemoSpec) -> bool:
    try:
        mark = json.loads((root / MARK).read_text())
    except (FileNotFoundError, ValueError):
        return False
    identity = _identity(spec)
    same = {key: mark.get(key) for key in identity} == identity
    return same and mark.get("files") == _count_files(root)


def _refuse_foreign_folders(root: Path) -> None:
    if (root / MARK).exists() or (root / STAGING).exists():
        return
    for layout in LAYOUTS:
        if (root / layout).exists():
            raise UserError(f"demo data: {root / layout} exists and is not demo data; name an empty folder")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other writers out of the folder, without leaving a file behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
