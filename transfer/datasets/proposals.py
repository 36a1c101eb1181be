"""Where objects may be: boxes without a class, which a Fast R-CNN is given and does not look for itself.

The literature took those of selective search (Uijlings et al. 2013), which R. Girshick published for VOC2007
as MATLAB files. Three ways, the first that is possible:

- ``proposals/{trainval,test}.mat`` in the data's folder, or the published files' own names,
  ``selective_search_data/voc_2007_{trainval,test}.mat``: variable ``boxes``, a cell a picture in the order of
  the split file, (N, 4) of top, left, bottom, right, pixels counted from 1. ``scipy.io.savemat`` writes such
  files, of boxes of any kind.
- Selective search by OpenCV, if it has its ``ximgproc`` (package ``opencv-contrib-python``).
- A regular grid of boxes. That is no published setting, and the row says so.
"""

import hashlib
import os
import pickle
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill.errors import UserError
from distill.results.atomic import write_bytes
from transfer.datasets.coco_boxes import CocoBoxes
from transfer.datasets.voc import VocDetection, VocImage

SPLITS = ("trainval", "test")
AT_MOST = 2_000  # a picture, as Fast R-CNN has it
GIVEN = ("proposals/{}.mat", "selective_search_data/voc_2007_{}.mat")
SCALES = (1 / 6, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0)  # of a grid's boxes, to the root of the picture's area
RATIOS = (0.5, 1.0, 2.0)  # their width to their height


@dataclass(frozen=True)
class Proposals:
    """A file a split in Detectron2's own format, and what the boxes come from, as rows tell it."""

    source: str
    trainval: Path
    test: Path


def find_proposals(root: str | os.PathLike, data: VocDetection | CocoBoxes, out: Path) -> Proposals:
    """Writes ``out/<source>_<split>.pkl``, by the first of the three ways; such files are kept.

    Raises:
        UserError: a given file is not what it should be, or there is one for one split alone.
    """
    given = {split: _given(Path(root), data.folder, split) for split in SPLITS}
    if any(given.values()):
        absent = [split for split in SPLITS if not given[split]]
        if absent:
            name = GIVEN[0].format(absent[0])
            raise UserError(f"{data.folder}: proposals of one split alone; {name} is missing")
        boxes = {split: _read_given(data, split, given[split]) for split in SPLITS}
        content = hashlib.sha256(b"".join(given[split].read_bytes() for split in SPLITS)).hexdigest()
        return _write(data, f"given_{content[:8]}", lambda split, images: boxes[split], out, keep=False)
    if _has_selective_search():
        return _write(data, "selective_search", lambda split, images: _search_all(images), out, keep=True)
    return _write(data, "regular_grid", lambda split, images: map(_grid_of, images), out, keep=False)


def _read_given(data: VocDetection | CocoBoxes, split: str, path: Path) -> list[np.ndarray]:
    """The boxes of the pictures that are not left out; the file has all that are listed."""
    listed = data.listed(split)
    boxes = dict(zip(listed, read_mat(path, len(listed)), strict=True))
    return [boxes[image.name] for image in data.images(split)]


def _given(root: Path, folder: Path, split: str) -> Path | None:
    files = (place / name.format(split) for place in (folder, root) for name in GIVEN)
    return next((file for file in files if file.is_file()), None)


def _write(
    data: VocDetection | CocoBoxes,
    source: str,
    find: Callable[[str, list[VocImage]], Iterable[np.ndarray]],
    out: Path,
    keep: bool,
) -> Proposals:
    paths = {}
    out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        images = data.images(split)
        paths[split] = out / f"{source}_{split}.pkl"
        names = [image.name for image in images]
        if keep and paths[split].is_file() and pickle.loads(paths[split].read_bytes())["ids"] == names:
            continue
        boxes = [found[:AT_MOST].astype(np.float32) for found in find(split, images)]
        scores = [np.zeros(len(found), np.float32) for found in boxes]  # their order is all there is
        write_bytes(paths[split], pickle.dumps({"ids": names, "boxes": boxes, "objectness_logits": scores}))
    return Proposals(source.replace("_", " "), paths["trainval"], paths["test"])


def read_mat(path: Path, pictures: int) -> list[np.ndarray]:
    """A picture's boxes each: (N, 4) of left, top, right, bottom, edges counted from 0.

    Raises:
        UserError: not such a file, or of another number of pictures.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        cells = loadmat(path)["boxes"].ravel()
        boxes = [np.asarray(cell, np.float64).reshape(-1, 4) for cell in cells]
    except (MatReadError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise UserError(
            f"{path}: no proposals in it; it needs a cell array boxes of (N, 4) ({error})"
        ) from error
    if len(boxes) != pictures:
        raise UserError(f"{path}: proposals of {len(boxes)} pictures, but the split has {pictures}")
    return [found[:, [1, 0, 3, 2]] - [1, 1, 0, 0] for found in boxes]


def _has_selective_search() -> bool:
    import cv2

    return hasattr(cv2, "ximgproc")


def _search_all(images: list[VocImage]) -> list[np.ndarray]:
    print(f"proposals: selective search in {len(images)} pictures, a second or two each", flush=True)
    with ProcessPoolExecutor() as pool:
        return list(pool.map(search, [image.path for image in images], chunksize=4))


def search(path: Path) -> np.ndarray:
    """OpenCV's selective search, its fast mode: (N, 4) of left, top, right, bottom, the surest first."""
    import cv2

    from distill.data.images import read_rgb

    cv2.setRNGSeed(0)
    cv2.setNumThreads(1)  # a process a core
    found = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    found.setBaseImage(np.ascontiguousarray(read_rgb(str(path))[:, :, ::-1]))
    found.switchToSelectiveSearchFast()
    boxes = found.process().astype(np.float64)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _grid_of(image: VocImage) -> np.ndarray:
    return grid(image.width, image.height)


def grid(width: int, height: int) -> np.ndarray:
    """Boxes of several sizes and shapes, a third of a side apart, shuffled.

    Returns:
        (N, 4) of left, top, right, bottom.
    """
    boxes = []
    unit = (width * height) ** 0.5
    for scale in SCALES:
        for ratio in RATIOS:
            side = min(width, unit * scale * ratio**0.5), min(height, unit * scale / ratio**0.5)
            lefts, tops = (
                np.linspace(0, whole - part, 1 + int(np.ceil(3 * (whole - part) / part)))
                for whole, part in zip((width, height), side, strict=True)
            )
            corners = np.stack(np.meshgrid(lefts, tops), axis=-1).reshape(-1, 2)
            boxes.append(np.concatenate([corners, corners + side], axis=1))
    return np.random.default_rng(0).permutation(np.unique(np.concatenate(boxes), axis=0))
