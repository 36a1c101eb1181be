"""Named augmentations: a PIL image -> a list of views, uint8 (3, size, size) each.

Views stay in [0, 255]: every network normalises for itself.
"""

import cv2
import numpy as np
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from distill.registry import TRANSFORMS


class _Views:
    """One view for each of ``views``: its side in pixels, and the transforms that make it from a PIL image.

    Attributes:
        size: side of a full view, which comes first.
        sizes: side of each view.
    """

    def __init__(self, *views: tuple[int, list[v2.Transform]]):
        self.sizes = tuple(side for side, _ in views)
        self.size = self.sizes[0]
        self.transforms = [v2.Compose(steps) for _, steps in views]

    def __call__(self, image: Image.Image) -> list[Tensor]:
        return [F.pil_to_tensor(transform(image)) for transform in self.transforms]


class _GaussianBlur(v2.GaussianBlur):
    """torchvision's Gaussian blur, fifteen times faster; pixels differ by 1 of 255 at most.

    OpenCV blurs rows, then columns, in integers; torchvision uses one dense kernel of floats.
    """

    def transform(self, inpt: Image.Image, params: dict) -> Image.Image:
        sigma, _ = params["sigma"]
        return Image.fromarray(cv2.GaussianBlur(np.asarray(inpt), self.kernel_size, sigma))


class _ColourJitter(v2.ColorJitter):
    """torchvision's ``ColorJitter``; OpenCV turns the hue, seven times faster than Pillow."""

    def transform(self, inpt: Image.Image, params: dict) -> Image.Image:
        steps = (
            (F.adjust_brightness, params["brightness_factor"]),
            (F.adjust_contrast, params["contrast_factor"]),
            (F.adjust_saturation, params["saturation_factor"]),
            (_turn_hue, params["hue_factor"]),
        )
        for which in params["fn_idx"].tolist():
            step, factor = steps[which]
            inpt = inpt if factor is None else step(inpt, factor)
        return inpt


def _turn_hue(image: Image.Image, turn: float) -> Image.Image:
    """Turns the hue by ``turn``, -0.5..0.5 of the circle; its rounding error is as small as Pillow's."""
    hsv = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(256 * turn) % 256)
    return Image.fromarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL))


class _FullAndSmall(_Views):
    """Full views of large parts of an image and small views of small ones, all coloured alike.

    The small views' blur is as wide as the full ones', in pixels (the authors' code of SwAV and SEED).

    Args:
        size: side of the full views in pixels.
        small_size: side of the small views in pixels; None: 96/224 of ``size``.
        small_views: their number.
        scale, small_scale: part of the image's area that a full and a small view show.
        strength: factor on the colour jitter; SimCLR uses 0.5 for CIFAR-10.
    """

    full_views: int
    colour: tuple[float, float]  # arguments of ``_colour`` at strength 1

    def __init__(
        self,
        size: int = 224,
        small_size: int | None = None,
        small_views: int = 6,
        scale: tuple[float, float] = (0.14, 1.0),
        small_scale: tuple[float, float] = (0.05, 0.14),
        strength: float = 1.0,
    ):
        small_size = small_size or round(size * 96 / 224)
        rest = [*_colour(*(strength * most for most in self.colour)), _blur(size, 0.5)]
        super().__init__(
            *[(size, [*_crop_and_flip(size, scale), *rest])] * self.full_views,
            *[(small_size, [*_crop_and_flip(small_size, small_scale), *rest])] * small_views,
        )


def _crop_and_flip(size: int, scale: tuple[float, float], flip: float = 0.5) -> list[v2.Transform]:
    return [v2.RandomResizedCrop(size, scale=tuple(scale), antialias=True), v2.RandomHorizontalFlip(flip)]


def _colour(strength: float, hue: float, grey: float = 0.2) -> list[v2.Transform]:
    jitter = _ColourJitter(strength, strength, strength, hue)
    return [v2.RandomApply([jitter], p=0.8), v2.RandomGrayscale(grey)]


def _blur(size: int, p: float) -> v2.Transform:
    kernel = max(3, round(0.1 * size) // 2 * 2 + 1)  # a tenth of the image, odd (SimCLR, appendix A)
    return v2.RandomApply([_GaussianBlur(kernel, sigma=(0.1, 2.0))], p=p)


@TRANSFORMS.register_module()
class CropFlip(_Views):
    """Random resized crop and flip, nothing else: CompRess's training view (section 4)."""

    def __init__(self, size: int = 224, scale: tuple[float, float] = (0.08, 1.0), views: int = 1):
        super().__init__(*[(size, _crop_and_flip(size, scale))] * views)


@TRANSFORMS.register_module()
class MoCoV2Augmentation(_Views):
    """MoCo-v2's "aug-plus", which SEED uses too: crop, jitter 0.4/0.4/0.4/0.1, grey, blur, flip."""

    def __init__(self, size: int = 224, scale: tuple[float, float] = (0.2, 1.0), views: int = 1):
        crop, flip = _crop_and_flip(size, scale)
        steps = [crop, *_colour(0.4, 0.1), _blur(size, 0.5), flip]
        super().__init__(*[(size, steps)] * views)


@TRANSFORMS.register_module()
class SimCLRAugmentation(_Views):
    """SimCLR's views (appendix A): crop, flip, jitter 0.8s/0.8s/0.8s/0.2s, grey, blur.

    Args:
        strength: s, 1.0 for ImageNet and 0.5 for small images.
        blur, grey, flip: probabilities. No flip where left and right mean something (digits, letters).
    """

    def __init__(
        self,
        size: int = 224,
        strength: float = 1.0,
        scale: tuple[float, float] = (0.08, 1.0),
        blur: float = 0.5,
        grey: float = 0.2,
        flip: float = 0.5,
        views: int = 2,
    ):
        colour = _colour(0.8 * strength, 0.2 * strength, grey)
        steps = [*_crop_and_flip(size, scale, flip), *colour]
        super().__init__(*[(size, [*steps, *([_blur(size, blur)] if blur else [])])] * views)


@TRANSFORMS.register_module()
class MultiCrop(_FullAndSmall):
    """SwAV's views (section 3.2): two full ones and several small ones of small parts of the image.

    Crop, flip, jitter 0.8/0.8/0.8/0.2 in 80 %, grey 0.2, blur 0.5, for all alike.

    Arguments: as for ``_FullAndSmall``.
    """

    full_views, colour = 2, (0.8, 0.2)


@TRANSFORMS.register_module()
class BYOLAugmentation(_Views):
    """BYOL's two views (appendix B, table 6): they differ in blur, 100 % and 10 %, and in solarisation.

    Crop, flip, jitter 0.4/0.4/0.2/0.1 in 80 %, grey 0.2; the second view is solarised in 20 %: brightnesses
    from one half up are inverted.
    """

    def __init__(self, size: int = 224, scale: tuple[float, float] = (0.08, 1.0)):
        jitter = v2.RandomApply([_ColourJitter(0.4, 0.4, 0.2, 0.1)], p=0.8)
        steps = [*_crop_and_flip(size, scale), jitter, v2.RandomGrayscale(0.2)]
        solarise = v2.RandomSolarize(threshold=128, p=0.2)
        super().__init__((size, [*steps, _blur(size, 1.0)]), (size, [*steps, _blur(size, 0.1), solarise]))


@TRANSFORMS.register_module()
class SmallPatchAugmentation(_FullAndSmall):
    """SEED's one full view and small patches of an image, with MoCo-v2's colours (the authors' code).

    Arguments: as for ``_FullAndSmall``.
    """

    full_views, colour = 1, (0.4, 0.1)


@TRANSFORMS.register_module()
class CentreCrop(_Views):
    """No randomness: shorter side to size * 256 / 224, centre crop; cached teachers see this view.

    Args:
        resize: shorter side before the crop in pixels; give ``size`` for images that are as small already.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    def __init__(self, size: int = 224, resize: int | None = None, interpolation: str = "bilinear"):
        shorter, how = resize or round(size * 256 / 224), v2.InterpolationMode(interpolation)
        resized = v2.Resize(shorter, interpolation=how, antialias=True)
        super().__init__((size, [resized, v2.CenterCrop(size)]))


@TRANSFORMS.register_module()
class Squash(_Views):
    """No randomness: the whole picture, squashed to a square.

    Args:
        interpolation: ``bilinear`` or ``bicubic``.
    """

    def __init__(self, size: int = 224, interpolation: str = "bilinear"):
        how = v2.InterpolationMode(interpolation)
        super().__init__((size, [v2.Resize((size, size), interpolation=how, antialias=True)]))
