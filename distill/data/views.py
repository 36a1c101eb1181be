"""Named augmentations: a PIL image -> a list of views, uint8 (3, size, size) each.

A random view comes in two halves. First its random numbers are drawn (``distill.data.draws``). Then it is cut
out of the image and finished, in the data worker (``distill.data.apply``) or, a batch at a time, on the
training device (``distill.data.device_views``). Views stay in [0, 255]: every network normalises for itself.
"""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from distill.data import apply
from distill.data.draws import Draw, RandomView, draw, generator
from distill.errors import UserError
from distill.registry import TRANSFORMS
from distill.settings import Count, NotNegative, Number, Positive


class RandomViews:
    """One random view for each of ``views``.

    Attributes:
        size: side of a full view, which comes first, in pixels.
        sizes: side of each view.
    """

    def __init__(self, *views: RandomView):
        self.views = views
        self.sizes = tuple(view.size for view in views)
        self.size = self.sizes[0]

    def draw(self, image: Image.Image, seed: int, epoch: int, index: int) -> list[Draw]:
        """The random numbers of each view of the image with number ``index``."""
        return [
            draw(view, *image.size, generator(seed, epoch, index, number))
            for number, view in enumerate(self.views)
        ]

    def cut(self, image: Image.Image, draws: list[Draw]) -> list[Tensor]:
        """The views as they are cut out of the image, to be finished by ``device_views.finish``."""
        return [apply.to_tensor(part) for part in self._parts(image, draws)]

    def make(self, image: Image.Image, draws: list[Draw]) -> list[Tensor]:
        """The finished views."""
        parts = self._parts(image, draws)
        return [apply.to_tensor(apply.finish(*pair)) for pair in zip(parts, draws, strict=True)]

    def _parts(self, image: Image.Image, draws: list[Draw]) -> list[np.ndarray]:
        pixels = np.asarray(image)
        return [apply.cut_out(pixels, one.box, size) for one, size in zip(draws, self.sizes, strict=True)]

    def __call__(self, image: Image.Image) -> list[Tensor]:
        """Finished views by the next random number of torch's generator."""
        return self.make(image, self.draw(image, int(torch.randint(2**63 - 1, ())), 0, 0))


def in_two_halves(kind: object) -> bool:
    """Whether views of this class are drawn, then made; not where a subclass has a call of its own."""
    return isinstance(kind, type) and issubclass(kind, RandomViews) and kind.__call__ is RandomViews.__call__


class FixedView:
    """One view without randomness: ``steps`` of torchvision on a PIL image.

    Attributes: as those of ``RandomViews``.
    """

    def __init__(self, size: int, *steps: v2.Transform):
        self.size, self.sizes = size, (size,)
        self.steps = v2.Compose(steps)

    def __call__(self, image: Image.Image) -> list[Tensor]:
        return [F.pil_to_tensor(self.steps(image))]


class _FullAndSmall(RandomViews):
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
    jitter: tuple[float, float, float, float]  # at strength 1

    def __init__(
        self,
        size: Count = 224,
        small_size: Count | None = None,
        small_views: Number = 6,
        scale: tuple[Positive, Positive] = (0.14, 1.0),
        small_scale: tuple[Positive, Positive] = (0.05, 0.14),
        strength: NotNegative = 1.0,
    ):
        jitter = tuple(strength * most for most in self.jitter)
        full = RandomView(size, tuple(scale), jitter=jitter, grey=0.2, blur=0.5)
        small_size = small_size or round(size * 96 / 224)
        small = replace(full, size=small_size, scale=tuple(small_scale), kernel=full.blur_kernel)
        super().__init__(*[full] * self.full_views, *[small] * small_views)


@TRANSFORMS.register_module()
class CropFlip(RandomViews):
    """Random resized crop and flip, nothing else: CompRess's training view (section 4)."""

    def __init__(self, size: Count = 224, scale: tuple[Positive, Positive] = (0.08, 1.0), views: Count = 1):
        super().__init__(*[RandomView(size, tuple(scale))] * views)


@TRANSFORMS.register_module()
class MoCoV2Augmentation(RandomViews):
    """MoCo-v2's "aug-plus", which SEED uses too: crop, jitter 0.4/0.4/0.4/0.1, grey, blur, flip."""

    def __init__(self, size: Count = 224, scale: tuple[Positive, Positive] = (0.2, 1.0), views: Count = 1):
        view = RandomView(size, tuple(scale), jitter=(0.4, 0.4, 0.4, 0.1), grey=0.2, blur=0.5)
        super().__init__(*[view] * views)


@TRANSFORMS.register_module()
class SimCLRAugmentation(RandomViews):
    """SimCLR's views (appendix A): crop, flip, jitter 0.8s/0.8s/0.8s/0.2s in 80 %, grey, blur.

    Args:
        strength: s, 1.0 for ImageNet and 0.5 for small images.
        blur, grey, flip: probabilities. No flip where left and right mean something (digits, letters).
    """

    def __init__(
        self,
        size: Count = 224,
        strength: NotNegative = 1.0,
        scale: tuple[Positive, Positive] = (0.08, 1.0),
        blur: float = 0.5,
        grey: float = 0.2,
        flip: float = 0.5,
        views: Count = 2,
    ):
        jitter = tuple(strength * most for most in (0.8, 0.8, 0.8, 0.2))
        view = RandomView(size, tuple(scale), flip, jitter, grey=grey, blur=blur)
        super().__init__(*[view] * views)


@TRANSFORMS.register_module()
class MultiCrop(_FullAndSmall):
    """SwAV's views (section 3.2): two full ones and several small ones of small parts of the image.

    Crop, flip, jitter 0.8/0.8/0.8/0.2 in 80 %, grey 0.2, blur 0.5, for all alike.

    Arguments: as for ``_FullAndSmall``.
    """

    full_views, jitter = 2, (0.8, 0.8, 0.8, 0.2)


@TRANSFORMS.register_module()
class BYOLAugmentation(RandomViews):
    """BYOL's two views (appendix B, table 6): they differ in blur, 100 % and 10 %, and in solarisation.

    Crop, flip, jitter 0.4/0.4/0.2/0.1 in 80 %, grey 0.2; the second view is solarised in 20 %: brightnesses
    from one half up are inverted.
    """

    def __init__(self, size: Count = 224, scale: tuple[Positive, Positive] = (0.08, 1.0)):
        first = RandomView(size, tuple(scale), jitter=(0.4, 0.4, 0.2, 0.1), grey=0.2, blur=1.0)
        super().__init__(first, replace(first, blur=0.1, solarise=0.2))


@TRANSFORMS.register_module()
class SmallPatchAugmentation(_FullAndSmall):
    """SEED's one full view and small patches of an image, with MoCo-v2's colours (the authors' code).

    Arguments: as for ``_FullAndSmall``.
    """

    full_views, jitter = 1, (0.4, 0.4, 0.4, 0.1)


@TRANSFORMS.register_module()
class CentreCrop(FixedView):
    """No randomness: shorter side to size * 256 / 224, centre crop; cached teachers see this view.

    Args:
        resize: shorter side before the crop in pixels; give ``size`` for images that are as small already.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    def __init__(self, size: Count = 224, resize: Count | None = None, interpolation: str = "bilinear"):
        shorter = round(size * 256 / 224) if resize is None else resize
        if shorter < size:  # torchvision would add a black margin
            raise UserError(f"resize is {shorter}; valid: the image size ({size}) or more")
        how = v2.InterpolationMode(interpolation)
        resized = v2.Resize(shorter, interpolation=how, antialias=True)
        super().__init__(size, resized, v2.CenterCrop(size))


@TRANSFORMS.register_module()
class Squash(FixedView):
    """No randomness: the whole picture, squashed to a square.

    Args:
        interpolation: ``bilinear`` or ``bicubic``.
    """

    def __init__(self, size: Count = 224, interpolation: str = "bilinear"):
        how = v2.InterpolationMode(interpolation)
        super().__init__(size, v2.Resize((size, size), interpolation=how, antialias=True))
