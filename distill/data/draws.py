"""The random numbers of a view, drawn before a pixel is touched.

They are a function of seed, epoch, image and view alone (and of the image's size, because a box lies within
it), by the rules of torchvision's ``RandomResizedCrop``, ``ColorJitter``, ``RandomGrayscale``,
``GaussianBlur`` and ``RandomSolarize``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.errors import UserError

# steps of a colour jitter, by their number in ``RandomView.jitter`` and ``Draw.jitter``
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
NO_STEP = -1

# what is left to do for a view that is cut out: the fields of ``Draw`` without its box, one record a view
COLOURS = np.dtype(
    [
        ("flip", "?"),
        ("steps", "i1", 4),  # in the order of application, then NO_STEP
        ("factors", "f4", 4),
        ("grey", "?"),
        ("sigma", "f4"),
        ("kernel", "i4"),
        ("solarise", "?"),
    ]
)


@dataclass(frozen=True)
class RandomView:
    """What a view is drawn from, and the order of its steps; by default a crop and a flip.

    Attributes:
        size: side in pixels.
        scale: part of the image's area that it shows.
        flip: probability of a mirror image.
        jitter: strengths of brightness, contrast, saturation and hue; the steps come in random order.
        jitter_p: probability of a jitter.
        grey: probability of a grey view.
        blur: probability of a Gaussian blur.
        kernel: side of the blur's kernel in pixels, odd; None: a tenth of the view (SimCLR, appendix A).
        solarise: probability of a solarised view, whose brightnesses from one half up are inverted.
        sigma: width of the blur in pixels, from and to.
        ratio: width by height of the part that it shows, from and to; their logarithm is uniform.

    Raises:
        UserError: a hue of more than half the circle, or a negative strength.
    """

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    jitter_p: float = 0.8
    grey: float = 0.0
    blur: float = 0.0
    kernel: int | None = None
    solarise: float = 0.0
    sigma: tuple[float, float] = (0.1, 2.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self):
        if min(self.jitter) < 0 or self.jitter[HUE] > 0.5:
            raise UserError(f"colour jitter of {self.jitter}: strengths from 0 on, the hue's to 0.5")

    @property
    def blur_kernel(self) -> int:
        """``kernel``, or what stands for it."""
        return self.kernel or max(3, round(0.1 * self.size) // 2 * 2 + 1)


@dataclass(frozen=True)
class Draw:
    """The random numbers of one view.

    Attributes:
        box: left, top, width and height of the part of the image, in pixels.
        flip, grey, solarise: whether it is.
        jitter: (step, factor) in their order; a hue's factor is a part of the circle, -0.5 to 0.5.
        sigma: width of the blur in pixels; 0: none.
        kernel: side of the blur's kernel in pixels.
    """

    box: tuple[int, int, int, int]
    flip: bool
    jitter: tuple[tuple[int, float], ...]
    grey: bool
    sigma: float
    kernel: int
    solarise: bool


def generator(seed: int, epoch: int, image: int, view: int) -> np.random.Generator:
    """A stream of random numbers of its own for every view: Philox, which is keyed and not seeded."""
    return np.random.Generator(np.random.Philox(key=[seed, image], counter=[0, 0, epoch, view]))


def draw(view: RandomView, width: int, height: int, random: np.random.Generator) -> Draw:
    """One view of an image of ``width`` x ``height`` pixels."""
    happens = (random.random(5) < (view.flip, view.jitter_p, view.grey, view.blur, view.solarise)).tolist()
    flip, jitter, grey, blur, solarise = happens
    return Draw(
        flip=flip,
        jitter=_jitter(view.jitter, random) if jitter else (),
        grey=grey,
        sigma=random.uniform(*view.sigma) if blur else 0.0,
        kernel=view.blur_kernel,
        solarise=solarise,
        box=_box(view, width, height, random),
    )


def _jitter(strengths: Sequence[float], random: np.random.Generator) -> tuple[tuple[int, float], ...]:
    """As ``ColorJitter``: a step of strength 0 is left out (turning the hue by 0 would round colours)."""
    ranges = [(-s, s) if step == HUE else (max(0.0, 1 - s), 1 + s) for step, s in enumerate(strengths)]
    order = random.permutation(len(strengths)).tolist()
    return tuple((step, random.uniform(*ranges[step])) for step in order if strengths[step])


def _box(view: RandomView, width: int, height: int, random: np.random.Generator) -> tuple[int, int, int, int]:
    """As ``RandomResizedCrop``: ten tries; then the largest part in the middle with an allowed shape."""
    narrowest, widest = view.ratio
    for _ in range(10):
        area = width * height * random.uniform(*view.scale)
        ratio = math.exp(random.uniform(math.log(narrowest), math.log(widest)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(random.integers(width - w + 1)), int(random.integers(height - h + 1)), w, h
    w = min(width, round(height * widest))
    h = min(height, round(width / narrowest))
    return (width - w) // 2, (height - h) // 2, w, h


def records(draws: Sequence[Draw]) -> np.ndarray:
    """Draws -> records (B,) of ``COLOURS``, which travel faster from process to process."""
    found = np.zeros(len(draws), COLOURS)
    found["steps"] = NO_STEP
    for record, one in zip(found, draws, strict=True):
        for place, (step, factor) in enumerate(one.jitter):
            record["steps"][place], record["factors"][place] = step, factor
        for name in ("flip", "grey", "sigma", "kernel", "solarise"):
            record[name] = getattr(one, name)
    return found
