"""Named augmentations: a PIL image -> a list of views, uint8 (3, size, size) each.

They stay in [0, 255]: every network normalises for itself.
"""

from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from distill.registry import TRANSFORMS


class _Views:
    """One view for each of ``views``: the side of the result in pixels, and the steps to it.

    Attributes:
        size: side of a full view, which comes first.
        sizes: side of each view.
    """

    def __init__(self, *views: tuple[int, list[v2.Transform]]):
        self.sizes = tuple(side for side, _ in views)
        self.size = self.sizes[0]
        self.transforms = [v2.Compose(steps) for _, steps in views]

    def __call__(self, image: Image.Image) -> list[Tensor]:
        return [transform(image) for transform in self.transforms]


class _FullAndSmall(_Views):
    """Full views of large parts of an image and small views of small ones, all coloured alike.

    The small views' blur is as wide as the full ones', in pixels (the authors' code of SwAV and SEED).

    Args:
        size: side of the full views in pixels.
        small_size: of the small ones; None: 96/224 of ``size``.
        small_views: how many.
        scale, small_scale: part of the image's area that a full and a small view show.
        strength: factor on the colour jitter; 0.5 is what SimCLR takes for CIFAR-10.
    """

    full_views: int
    colour: tuple[float, float]  # of ``_colour``, at strength 1

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
        rest = [*_colour(*(strength * most for most in self.colour)), v2.PILToTensor(), _blur(size, 0.5)]
        super().__init__(
            *[(size, [*_crop_and_flip(size, scale), *rest])] * self.full_views,
            *[(small_size, [*_crop_and_flip(small_size, small_scale), *rest])] * small_views,
        )


def _crop_and_flip(size: int, scale: tuple[float, float], flip: float = 0.5) -> list[v2.Transform]:
    return [v2.RandomResizedCrop(size, scale=tuple(scale), antialias=True), v2.RandomHorizontalFlip(flip)]


def _colour(strength: float, hue: float, grey: float = 0.2) -> list[v2.Transform]:
    jitter = v2.ColorJitter(strength, strength, strength, hue)
    return [v2.RandomApply([jitter], p=0.8), v2.RandomGrayscale(grey)]


def _blur(size: int, p: float) -> v2.Transform:
    kernel = max(3, round(0.1 * size) // 2 * 2 + 1)  # a tenth of the image, odd (SimCLR, appendix A)
    return v2.RandomApply([v2.GaussianBlur(kernel, sigma=(0.1, 2.0))], p=p)


@TRANSFORMS.register_module()
class CropFlip(_Views):
    """Random resized crop and flip, nothing else: CompRess's training view (section 4)."""

    def __init__(self, size: int = 224, scale: tuple[float, float] = (0.08, 1.0), views: int = 1):
        super().__init__(*[(size, [*_crop_and_flip(size, scale), v2.PILToTensor()])] * views)


@TRANSFORMS.register_module()
class MoCoV2Augmentation(_Views):
    """MoCo-v2's "aug-plus", which SEED uses too: crop, jitter 0.4/0.4/0.4/0.1, grey, blur, flip."""

    def __init__(self, size: int = 224, scale: tuple[float, float] = (0.2, 1.0), views: int = 1):
        crop, flip = _crop_and_flip(size, scale)
        steps = [crop, *_colour(0.4, 0.1), v2.PILToTensor(), _blur(size, 0.5), flip]
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
        steps = [*_crop_and_flip(size, scale, flip), *colour, v2.PILToTensor()]
        super().__init__(*[(size, [*steps, *([_blur(size, blur)] if blur else [])])] * views)


@TRANSFORMS.register_module()
class MultiCrop(_FullAndSmall):
    """SwAV's views (section 3.2): two full ones and several small ones of small parts of the image.

    Crop, flip, jitter 0.8/0.8/0.8/0.2 in 80 %, grey 0.2, blur 0.5, for all alike.

    Arguments: ``_FullAndSmall``.
    """

    full_views, colour = 2, (0.8, 0.2)


@TRANSFORMS.register_module()
class BYOLAugmentation(_Views):
    """BYOL's two views (appendix B, table 6): alike but for blur, in 100 % and 10 %, and solarisation.

    Crop, flip, jitter 0.4/0.4/0.2/0.1 in 80 %, grey 0.2; the second view is solarised in 20 %: brightnesses
    from one half on are inverted.
    """

    def __init__(self, size: int = 224, scale: tuple[float, float] = (0.08, 1.0)):
        jitter = v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.2, 0.1)], p=0.8)
        steps = [*_crop_and_flip(size, scale), jitter, v2.RandomGrayscale(0.2), v2.PILToTensor()]
        solarise = v2.RandomSolarize(threshold=128, p=0.2)
        super().__init__((size, [*steps, _blur(size, 1.0)]), (size, [*steps, _blur(size, 0.1), solarise]))


@TRANSFORMS.register_module()
class SmallPatchAugmentation(_FullAndSmall):
    """One full view and small patches of an image, coloured as MoCo-v2's: SEED's (the authors' code).

    Arguments: ``_FullAndSmall``.
    """

    full_views, colour = 1, (0.4, 0.1)


@TRANSFORMS.register_module()
class CentreCrop(_Views):
    """No randomness: shorter side to size * 256 / 224, centre crop; what cached teachers see.

    Args:
        resize: shorter side before the crop; ``size`` itself for images that are that small already.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    def __init__(self, size: int = 224, resize: int | None = None, interpolation: str = "bilinear"):
        shorter, how = resize or round(size * 256 / 224), v2.InterpolationMode(interpolation)
        resized = v2.Resize(shorter, interpolation=how, antialias=True)
        super().__init__((size, [resized, v2.CenterCrop(size), v2.PILToTensor()]))
