"""Pictures of the demo world: real handwritten digits in chalk on slate.

A classification picture is a sheet of one digit written several times: two crops of it show different
strokes of one class, and a network can learn from that without labels. Blots, stripes and grit of the slate
do not depend on the class.

Strokes are scikit-learn's bundled ``load_digits``: 1,797 images of 8x8 pixels, ordered by writer (the
test part of UCI's "Optical Recognition of Handwritten Digits", Alpaydin and Kaynak, 1998).

Random numbers and blending are integers; turning a digit uses Pillow's doubles. The same seed gives the same
pixels with the same Pillow.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPLITS = ("train", "val")
TRAIN_STROKES = 1200  # of 1,797: a cut in the writers' order, so at most one writer is on both sides
STROKE_SIZE = 8
WORST_OVERLAP = 0.08  # of the smaller box
SLATE, CHALK = (40, 90), (165, 215)  # grey levels
SHEET = 3  # a classification picture holds SHEET x SHEET strokes
_CRISP = [min(255, max(0, (value - 84) * 4)) for value in range(256)]  # grey level -> opacity of ink


@dataclass(frozen=True)
class Strokes:
    """Digits of one split: ``images`` (N, 8, 8) uint8, ``labels`` (N,), ``index`` (N,) in load_digits."""

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray

    def draw(self, rng: np.random.Generator, label: int) -> np.ndarray:
        """One random stroke (8, 8) of the class ``label``."""
        return self.images[rng.choice(np.flatnonzero(self.labels == label))]


@dataclass(frozen=True)
class Thing:
    """One digit in a scene: class 0..9 and its visible pixels, bool (H, W)."""

    label: int
    mask: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in pixels, right and bottom exclusive, tight around the mask."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dataclass(frozen=True)
class Scene:
    """A picture (RGB) and its digits, those in front last."""

    image: Image.Image
    things: tuple[Thing, ...]

    def label_map(self, ids: tuple[int, ...], ground: int, border: int | None = None) -> np.ndarray:
        """(H, W) uint8: ``ids[label]`` on digits, ``ground`` elsewhere, ``border`` on their outlines."""
        height, width = self.things[0].mask.shape
        labels = np.full((height, width), ground, np.uint8)
        for thing in self.things:
            labels[thing.mask] = ids[thing.label]
        if border is not None:
            inside = labels != ground
            for thing in self.things:
                labels[_outline(thing.mask) & ~inside] = border
        return labels


def load_strokes() -> dict[str, Strokes]:
    """The strokes of each split; no stroke is in both."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * 255 / 16).astype(np.uint8)
    index = np.arange(len(images))
    halves = zip(SPLITS, np.split(index, [TRAIN_STROKES]), strict=True)
    return {split: Strokes(images[part], digits.target[part], part) for split, part in halves}


def draw_sheet(rng: np.random.Generator, strokes: Strokes, label: int, size: int) -> Image.Image:
    """A picture (size x size) of SHEET x SHEET strokes of class ``label``, for classification."""
    canvas, chalk, cell = _ground(rng, size), _tone(rng, CHALK), size // SHEET
    for row in range(SHEET):
        for column in range(SHEET):
            side = int(rng.integers(cell * 70 // 100, cell * 95 // 100 + 1))
            alpha = _ink_alpha(rng, strokes.draw(rng, label), side)
            corner = [
                min(max(0, place * cell + (cell - extent) // 2 + int(rng.integers(-2, 3))), size - extent)
                for place, extent in zip((row, column), alpha.shape, strict=True)
            ]
            _place(canvas, chalk, alpha, (corner[0], corner[1]))
    return Image.fromarray(canvas)


def draw_scene(rng: np.random.Generator, strokes: Strokes, size: int, at_most: int = 4) -> Scene:
    """A scene (size x size) of up to ``at_most`` digits that overlap little."""
    canvas = _ground(rng, size)
    things: list[Thing] = []
    for _ in range(int(rng.integers(2, at_most + 1))):
        label = int(rng.integers(len(DIGITS)))
        side = int(rng.integers(size * 24 // 100, size * 44 // 100 + 1))
        alpha = _ink_alpha(rng, strokes.draw(rng, label), side)
        corner = _free_corner(rng, alpha.shape, size, [thing.box for thing in things])
        if corner is None:
            continue
        mask = _place(canvas, _tone(rng, CHALK), alpha, corner)
        things = [Thing(thing.label, thing.mask & ~mask) for thing in things]
        things.append(Thing(label, mask))
    return Scene(Image.fromarray(canvas), tuple(things))


def _tone(rng: np.random.Generator, levels: tuple[int, int]) -> np.ndarray:
    """A grey (3,) between two levels."""
    return np.full(3, rng.integers(*levels))


def _ground(rng: np.random.Generator, size: int) -> np.ndarray:
    """Slate with smooth blots, stripes and grit, uint8 (size, size, 3)."""
    first = _tone(rng, SLATE)
    second = first + rng.integers(-30, 31, 3)
    noise = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
    smooth = np.asarray(noise.resize((size, size), Image.BICUBIC), dtype=np.int64)
    across, down, period = rng.integers(-3, 4), rng.integers(1, 4), rng.integers(8, 33)
    rows, columns = np.mgrid[:size, :size]
    stripes = (rows * down + columns * across) // period % 2 * 255
    mix = (smooth * 3 + stripes)[..., None] >> 2
    grit = rng.integers(-10, 11, (size, size, 1))
    return np.clip(first + ((second - first) * mix >> 8) + grit, 0, 255).astype(np.uint8)


def _ink_alpha(rng: np.random.Generator, stroke: np.ndarray, side: int) -> np.ndarray:
    """Opacity (h, w) of the stroke, turned and slanted a little, cropped; its longer side is ``side``."""
    angle = math.radians(int(rng.integers(-12, 13)))
    slant = int(rng.integers(-20, 21)) / 100
    frame, pad = 2 * side, STROKE_SIZE // 2  # room for the corners of a turned stroke
    step = 2 * STROKE_SIZE / frame  # source pixels for one pixel of the picture
    cos, sin = math.cos(angle) * step, math.sin(angle) * step
    across, down = (cos + slant * sin, -sin + slant * cos), (sin, cos)
    offsets = (STROKE_SIZE - frame / 2 * sum(row) for row in (across, down))
    matrix = (*across, next(offsets), *down, next(offsets))
    padded = Image.fromarray(np.pad(stroke, pad))
    smooth = padded.transform((frame, frame), Image.AFFINE, matrix, Image.BICUBIC)
    smooth = smooth.crop(smooth.point(_CRISP).getbbox())
    scale = side / max(smooth.size)
    size = tuple(max(1, round(extent * scale)) for extent in smooth.size)
    return np.asarray(smooth.resize(size, Image.BICUBIC).point(_CRISP), dtype=np.int64)


def _place(canvas: np.ndarray, ink: np.ndarray, alpha: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Paints a digit at ``corner`` (top, left) into ``canvas``, in place; returns its mask, bool (H, W)."""
    (height, width), (top, left) = alpha.shape, corner
    patch = canvas[top : top + height, left : left + width]
    patch[:] = (patch * (255 - alpha[..., None]) + ink * alpha[..., None]) // 255
    mask = np.zeros(canvas.shape[:2], bool)
    mask[top : top + height, left : left + width] = alpha > 127
    return mask


def _free_corner(
    rng: np.random.Generator, shape: tuple[int, int], size: int, boxes: list[tuple[int, int, int, int]]
) -> tuple[int, int] | None:
    """A random (top, left) for a digit that hides at most WORST_OVERLAP of another box; None if crowded."""
    height, width = shape
    for _ in range(40):
        top, left = (int(rng.integers(0, size - extent + 1)) for extent in shape)
        if all(_overlap((left, top, left + width, top + height), box) <= WORST_OVERLAP for box in boxes):
            return top, left
    return None


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Intersection of two boxes as a share of the smaller one."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(0, width) * max(0, height) / smaller


def _outline(mask: np.ndarray) -> np.ndarray:
    """The pixels just outside a mask, bool (H, W); strokes are too thin to lose their own edge as well."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.filter(ImageFilter.MaxFilter(3)), dtype=bool) & ~mask
