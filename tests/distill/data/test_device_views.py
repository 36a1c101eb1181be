"""Views finished on the device are the workers' to within rounding, whatever the batch."""

import numpy as np
import pytest
import torch

from distill.data import apply, device_views
from distill.data.device_views import ViewPreprocessor
from distill.data.draws import Draw, draw, generator, records
from distill.registry import TRANSFORMS
from tests.distill.data.pictures import difference, photo

PLAIN = Draw(box=(0, 0, 96, 96), flip=False, jitter=(), grey=False, sigma=0.0, kernel=23, solarise=False)
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
NAMES = (
    "BYOLAugmentation", "CropFlip", "MoCoV2Augmentation", "MultiCrop", "SimCLRAugmentation",
    "SmallPatchAugmentation",
)  # fmt: skip


def both(name: str, size: int, count: int) -> list[tuple[torch.Tensor, np.ndarray, torch.Tensor]]:
    """For each view of ``count`` images: as it is cut out, its draws, and as the worker finishes it."""
    augmentation = TRANSFORMS.build(dict(type=name, size=size))
    images = [photo(160, 120, seed) for seed in range(count)]
    draws = [augmentation.draw(image, 3, 0, number) for number, image in enumerate(images)]
    cut = [augmentation.cut(*pair) for pair in zip(images, draws, strict=True)]
    made = [augmentation.make(*pair) for pair in zip(images, draws, strict=True)]
    each = zip(zip(*cut, strict=True), zip(*draws, strict=True), zip(*made, strict=True), strict=True)
    return [(torch.stack(parts), records(view), torch.stack(done)) for parts, view, done in each]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [224, 32])
@pytest.mark.parametrize("name", NAMES)
def test_views_are_the_workers(name, size, device):
    for cut, draws, expected in both(name, size, count=12):
        found = device_views.finish(cut.to(device), draws)
        assert found.dtype == torch.uint8 and found.shape == expected.shape
        apart = difference(found.cpu().numpy(), expected.numpy())
        assert apart.mean() < 0.1 and apart.max() <= 10


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("change", "most"),
    [
        ({"flip": True}, 0),
        ({"grey": True}, 1),
        ({"solarise": True}, 0),
        ({"jitter": ((0, 1.7),)}, 0),
        ({"jitter": ((1, 0.3),)}, 0),
        ({"jitter": ((2, 1.8),)}, 1),
        ({"jitter": ((3, 0.1),)}, 8),
        ({"jitter": ((3, -0.5),)}, 8),
        ({"jitter": ((1, 1.6), (0, 0.6), (2, 0.4))}, 1),
        ({"sigma": 0.1}, 0),
        ({"sigma": 0.7}, 1),
        ({"sigma": 2.0}, 1),
        ({"sigma": 2.0, "kernel": 3}, 1),
    ],
)
def test_each_step_is_the_workers(change, most, device):
    pixels, one = np.asarray(photo(96, 96)), Draw(**{**vars(PLAIN), **change})
    expected = apply.finish(pixels, one)
    found = device_views.finish(apply.to_tensor(pixels)[None].to(device), records([one]))
    assert difference(found[0].permute(1, 2, 0).cpu().numpy(), expected).max() <= most
    assert most or (expected != pixels).any() or change == {"sigma": 0.1}


def test_every_colour_turns_as_in_the_worker():
    """A grid of colours, with greys and full ones.

    A hue between two of the 256 steps may be rounded the other way, which is 6 of 255 in a full colour.
    """
    levels = np.array([0, 1, 17, 64, 127, 128, 191, 254, 255], np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
    for turn in np.linspace(-0.5, 0.5, 9).tolist():
        expected = apply.turn_hue(colours, turn)
        found = device_views.turn_hue(apply.to_tensor(colours)[None].float(), torch.tensor([turn]))
        apart = difference(found[0].permute(1, 2, 0).numpy(), expected)
        assert apart.max() <= 6 and apart.mean() < 0.05


@pytest.mark.parametrize("device", DEVICES)
def test_a_view_does_not_depend_on_its_batch(device):
    """So two processes, which share a batch, see the same pictures as one."""
    cut, draws, _ = both("MultiCrop", 32, count=9)[0]
    whole = device_views.finish(cut.to(device), draws)
    for part in (slice(0, 1), slice(1, 4), slice(4, 9)):
        assert torch.equal(device_views.finish(cut[part].to(device), draws[part]), whole[part])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mixed_precision_leaves_the_pixels_as_they_are(device, dtype):
    cut, draws, _ = both("BYOLAugmentation", 32, count=6)[1]
    expected = device_views.finish(cut.to(device), draws)
    with torch.autocast(device, dtype=dtype):
        assert torch.equal(device_views.finish(cut.to(device), draws), expected)


def test_mirrored_borders_of_a_view_that_is_smaller_than_the_kernel():
    """Against OpenCV, whose border it is."""
    pixels = np.asarray(photo(5, 4))
    found = device_views.blur(apply.to_tensor(pixels)[None].float(), torch.tensor([2.0]), kernel=23)
    assert difference(found[0].permute(1, 2, 0).numpy(), apply.blur(pixels, 2.0, 23)).max() <= 1


def test_the_preprocessor_finishes_views_and_leaves_whole_ones_alone():
    (cut, draws, expected), _ = both("BYOLAugmentation", 32, count=4)
    batch = {"views": [cut], "draws": [draws], "index": torch.arange(4), "unreadable": ["a.jpg"]}
    found = ViewPreprocessor()(batch)
    assert found.keys() == {"views", "index", "unreadable"} and found["unreadable"] == ["a.jpg"]
    assert torch.equal(found["views"][0], device_views.finish(cut, draws))
    assert "draws" in batch and torch.equal(batch["views"][0], cut), "the caller's batch stays as it was"
    whole = ViewPreprocessor()({"views": [expected], "index": torch.arange(4)})
    assert torch.equal(whole["views"][0], expected)


@pytest.mark.gpu
def test_nothing_waits_for_the_gpu():
    cut, draws, _ = both("MultiCrop", 64, count=8)[0]
    batch = {"views": [cut.pin_memory()], "draws": [draws], "index": torch.arange(8).pin_memory()}
    preprocess = ViewPreprocessor().cuda()
    preprocess(batch)  # the first call loads kernels
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = preprocess(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found["views"][0].is_cuda


def test_draws_are_those_of_the_generator():
    augmentation = TRANSFORMS.build(dict(type="MultiCrop", size=32))
    image = photo(60, 50)
    (first, *_, last) = augmentation.draw(image, seed=5, epoch=2, index=7)
    assert first == draw(augmentation.views[0], 60, 50, generator(5, 2, 7, 0))
    assert last == draw(augmentation.views[7], 60, 50, generator(5, 2, 7, 7))
