"""The named augmentations have the papers' views; one of one's own repeats its views too."""

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from distill.data.draws import RandomView
from distill.data.unlabelled import UnlabelledImages, mix_seed, seeded
from distill.data.views import CropFlip, RandomViews
from distill.errors import UserError
from distill.registry import TRANSFORMS
from tests.distill.data.pictures import photo

MOCO = RandomView(224, (0.2, 1.0), jitter=(0.4, 0.4, 0.4, 0.1), grey=0.2, blur=0.5)
SWAV = RandomView(224, (0.14, 1.0), jitter=(0.8, 0.8, 0.8, 0.2), grey=0.2, blur=0.5)
SMALL = RandomView(96, (0.05, 0.14), jitter=(0.8, 0.8, 0.8, 0.2), grey=0.2, blur=0.5, kernel=23)
PATCH = RandomView(96, (0.05, 0.14), jitter=(0.4, 0.4, 0.4, 0.1), grey=0.2, blur=0.5, kernel=23)
SEED = RandomView(224, (0.14, 1.0), jitter=(0.4, 0.4, 0.4, 0.1), grey=0.2, blur=0.5)
BYOL = dict(size=224, scale=(0.08, 1.0), jitter=(0.4, 0.4, 0.2, 0.1), grey=0.2)
SIMCLR = RandomView(224, (0.08, 1.0), jitter=(0.8, 0.8, 0.8, 0.2), grey=0.2, blur=0.5)
MILD = RandomView(32, (0.3, 0.7), 0.0, (0.4, 0.4, 0.4, 0.1), grey=0.0, blur=0.0)
PUBLISHED = [
    (dict(type="CropFlip"), [RandomView(224, (0.08, 1.0))]),
    (dict(type="CropFlip", size=32, views=2), [RandomView(32, (0.08, 1.0))] * 2),
    (dict(type="MoCoV2Augmentation", views=2), [MOCO] * 2),
    (dict(type="SimCLRAugmentation"), [SIMCLR] * 2),
    (dict(type="SimCLRAugmentation", size=32, strength=0.5, scale=[0.3, 0.7], blur=0, grey=0, flip=0),
     [MILD] * 2),
    (dict(type="MultiCrop"), [SWAV] * 2 + [SMALL] * 6),
    (dict(type="BYOLAugmentation"),
     [RandomView(**BYOL, blur=1.0), RandomView(**BYOL, blur=0.1, solarise=0.2)]),
    (dict(type="SmallPatchAugmentation"), [SEED] + [PATCH] * 6),
]  # fmt: skip


@pytest.mark.parametrize(("config", "views"), PUBLISHED)
def test_views_are_drawn_as_published(config, views):
    augmentation = TRANSFORMS.build(config)
    assert augmentation.views == tuple(views)
    assert augmentation.sizes == tuple(view.size for view in views)
    # what the papers have in common, and this project does not make a setting
    for view in views:
        assert (view.jitter_p, view.sigma, view.ratio) == (0.8, (0.1, 2.0), (3 / 4, 4 / 3))


def test_every_random_augmentation_is_here():
    """Named by hand above, so that a new one is not forgotten."""
    registered = {
        name for name, kind in TRANSFORMS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, RandomViews)
    }  # fmt: skip
    assert registered == {config["type"] for config, _ in PUBLISHED}


def test_called_by_itself_it_follows_torchs_generator():
    augmentation, image = TRANSFORMS.build(dict(type="SimCLRAugmentation", size=16)), photo(40, 30)
    torch.manual_seed(1)
    first, second = augmentation(image), augmentation(image)
    torch.manual_seed(1)
    assert all(map(torch.equal, augmentation(image), first))
    assert not torch.equal(first[0], second[0]) and not torch.equal(first[0], first[1])


@pytest.mark.parametrize("name", ["CentreCrop", "Squash"])
def test_a_fixed_view_is_torchvisions(name):
    image = photo(50, 40)
    if name == "CentreCrop":
        expected = F.center_crop(F.resize(image, 37, antialias=True), 32)
    else:
        expected = F.resize(image, [32, 32], antialias=True)
    (view,) = TRANSFORMS.build(dict(type=name, size=32))(image)
    assert torch.equal(view, F.pil_to_tensor(expected))


def test_one_of_ones_own_repeats_its_views(image_folder):
    """Any callable, PIL image -> views, that draws from torch's generator."""

    class Own:
        sizes, size = (16,), 16
        steps = v2.Compose([v2.RandomResizedCrop(16), v2.RandomRotation(30), v2.PILToTensor()])

        def __call__(self, image):
            return [self.steps(image)]

    images = UnlabelledImages(str(image_folder), dict(type=Own), seed=2)
    first = images[1, 3]["views"][0]
    torch.rand(5)
    assert torch.equal(images[1, 3]["views"][0], first)
    assert not torch.equal(images[2, 3]["views"][0], first)


def test_a_subclass_with_a_call_of_its_own_is_called(image_folder):
    class Negative(CropFlip):
        def __call__(self, image):
            return [255 - view for view in super().__call__(image)]

    images = UnlabelledImages(str(image_folder), dict(type=Negative, size=16), seed=2)
    first = images[1, 3]["views"][0]
    assert torch.equal(images[1, 3]["views"][0], first)
    with seeded(mix_seed(2, 1, 3)):
        (plain,) = CropFlip(16)(images.images.read(3))
    assert torch.equal(first, 255 - plain)


def test_too_much_hue_is_one_line():
    with pytest.raises(UserError, match="the hue's to 0.5"):
        TRANSFORMS.build(dict(type="SimCLRAugmentation", strength=3.0))
