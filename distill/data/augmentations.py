"""Named augmentations: a PIL image -> a list of views, uint8 (3, size, size) each.

They stay in [0, 255]: every network normalises for itself.
"""

from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from distill.registry import TRANSFORMS


class _Views:
    """Calls one transform ``views`` times.

    Attributes:
        size: side of a full view in pixels.
        sizes: side of each view.
    """

    def __init__(self, size: int, views: int, *steps: v2.Transform):
        self.size, self.sizes, self.transform = size, (size,) * views, v2.Compose(steps)

    def __call__(self, image: Image.Image) -> list[Tensor]:
        return [self.transform(image) for _ in self.sizes]


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
        super().__init__(size, views, *_crop_and_flip(size, scale), v2.PILToTensor())


@TRANSFORMS.register_module()
class MoCoV2Augmentation(_Views):
    """MoCo-v2's "aug-plus", which SEED uses too: crop, jitter 0.4/0.4/0.4/0.1, grey, blur, flip."""

    def __init__(self, size: int = 224, scale: tuple[float, float] = (0.2, 1.0), views: int = 1):
        crop, flip = _crop_and_flip(size, scale)
        super().__init__(size, views, crop, *_colour(0.4, 0.1), v2.PILToTensor(), _blur(size, 0.5), flip)


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
        super().__init__(size, views, *steps, *([_blur(size, blur)] if blur else []))


@TRANSFORMS.register_module()
class CentreCrop(_Views):
    """No randomness: shorter side to size * 256 / 224, centre crop; what cached teachers see.

    Args:
        resize: shorter side before the crop; ``size`` itself for images that are that small already.
    """

    def __init__(self, size: int = 224, resize: int | None = None):
        shorter = resize or round(size * 256 / 224)
        super().__init__(size, 1, v2.Resize(shorter, antialias=True), v2.CenterCrop(size), v2.PILToTensor())
