"""What a data worker computes, beside torchvision on PIL images."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from distill.data import apply
from distill.data.draws import Draw, RandomView, draw, generator
from tests.distill.data.pictures import difference, photo, pillow_view

PLAIN = Draw(box=(0, 0, 96, 96), flip=False, jitter=(), grey=False, sigma=0.0, kernel=23, solarise=False)


@pytest.mark.parametrize("size", [224, 32])
@pytest.mark.parametrize(
    "box", [(0, 0, 500, 375), (17, 33, 200, 150), (440, 300, 60, 50), (3, 3, 2, 370), (9, 8, 1, 1)]
)
def test_a_part_is_cut_out_as_by_pillow(box, size):
    """Made smaller, larger, and as thin as a line."""
    image, (left, top, width, height) = photo(500, 375), box
    expected = F.resized_crop(image, top, left, height, width, [size, size], antialias=True)
    found = difference(apply.cut_out(np.asarray(image), box, size), np.asarray(expected))
    assert found.max() <= 1 and found.mean() < 0.15


@pytest.mark.parametrize("factor", [0.0, 0.2, 0.6, 1.0, 1.37, 1.8])
@pytest.mark.parametrize(
    ("step", "pillows", "most"),
    [
        (apply.brightness, F.adjust_brightness, 0),
        (apply.contrast, F.adjust_contrast, 0),
        (apply.saturation, F.adjust_saturation, 1),
    ],
)
def test_brightness_contrast_and_saturation_are_pillows(step, pillows, most, factor):
    image = photo(224, 224)
    found = difference(step(np.asarray(image), factor), np.asarray(pillows(image, factor)))
    assert found.max() <= most and found.mean() < 0.005


@pytest.mark.parametrize("turn", [-0.5, -0.2, -0.1, 0.0, 0.05, 0.1, 0.2, 0.5])
def test_a_turned_hue_is_as_near_to_the_exact_one_as_pillows(turn):
    """The exact one is torchvision's arithmetic on tensors, in double precision."""
    image = photo(96, 96)
    exact = 255 * F.adjust_hue(F.pil_to_tensor(image).double() / 255, turn)

    def error(turned: np.ndarray) -> float:
        return float((torch.from_numpy(turned).permute(2, 0, 1) - exact).abs().mean())

    ours = error(apply.turn_hue(np.asarray(image), turn))
    assert ours < 1 and ours < 1.5 * error(np.array(F.adjust_hue(image, turn)))


@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize(("side", "kernel"), [(224, 23), (96, 23), (32, 3)])
def test_blur_is_torchvisions_to_one_of_255(side, kernel, sigma):
    image = photo(side, side)
    expected = F.gaussian_blur(F.pil_to_tensor(image), [kernel, kernel], [sigma, sigma])
    found = difference(apply.blur(np.asarray(image), sigma, kernel), expected.permute(1, 2, 0).numpy())
    assert found.max() <= 1 and found.mean() < 0.2


@pytest.mark.parametrize(
    ("change", "pillows"),
    [
        ({"flip": True}, F.horizontal_flip),
        ({"grey": True}, lambda image: F.rgb_to_grayscale(image, 3)),
        ({"solarise": True}, lambda image: F.solarize(image, 128)),
        ({}, lambda image: image),
    ],
)
def test_flip_grey_and_solarise_are_pillows(change, pillows):
    image = photo(96, 96)
    found = apply.finish(np.asarray(image), Draw(**{**vars(PLAIN), **change}))
    assert difference(found, np.asarray(pillows(image))).max() <= (1 if "grey" in change else 0)


def test_the_steps_of_a_jitter_come_in_the_order_drawn():
    """A dark and a white half: what is cut off at 255 depends on the order."""
    image = Image.new("RGB", (4, 2), "white")
    image.paste((90, 90, 90), (0, 0, 2, 2))
    pixels = np.asarray(image)
    darker_first = apply.finish(pixels, Draw(**{**vars(PLAIN), "jitter": ((0, 1.5), (1, 0.5))}))
    # 90 -> 135, 255 -> 255 (cut off); the mean 195; half way there
    assert np.unique(darker_first).tolist() == [165, 225]
    contrast_first = apply.finish(pixels, Draw(**{**vars(PLAIN), "jitter": ((1, 0.5), (0, 1.5))}))
    # the mean 173 (172.5); 90 -> 131, 255 -> 214; then 196, and 255 (321 cut off)
    assert np.unique(contrast_first).tolist() == [196, 255]


def test_whole_views_are_pillows_but_for_the_rounding_of_the_hue():
    view = RandomView(96, jitter=(0.8, 0.8, 0.8, 0.2), grey=0.2, blur=0.5, kernel=23, solarise=0.2)
    for hue, most in ((0.0, 0.5), (0.2, 4.0)):
        for number in range(60):
            image = photo(160, 120, seed=number)
            one = draw(view, *image.size, generator(1, 0, number, 0))
            one = Draw(**{**vars(one), "jitter": tuple(step for step in one.jitter if hue or step[0] != 3)})
            found = apply.finish(apply.cut_out(np.asarray(image), one.box, 96), one)
            assert difference(found, pillow_view(image, one, 96)).mean() < most, one


def test_a_tensor_has_the_colours_as_planes():
    pixels = np.asarray(photo(7, 5))
    assert torch.equal(apply.to_tensor(pixels), torch.from_numpy(pixels.copy()).permute(2, 0, 1))
