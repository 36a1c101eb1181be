"""Training data: any folder, views that repeat, unreadable images."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import BatchSampler

from distill.data.file_index import list_images
from distill.data.images import too_many_unreadable
from distill.data.sampler import EpochSampler
from distill.data.unlabelled import UnlabelledImages, collate_views, seeded
from distill.errors import UserError
from distill.registry import TRANSFORMS

VIEW = {"type": "CropFlip", "size": 16}


def test_finds_every_image_however_nested(image_folder, tmp_path):
    assert len(list_images(image_folder)) == 24
    with pytest.raises(UserError, match="no images in"):
        list_images(tmp_path)
    with pytest.raises(UserError, match="no such image folder"):
        list_images(tmp_path / "nowhere")


def test_views_depend_on_seed_epoch_and_image_alone(image_folder):
    images = UnlabelledImages(str(image_folder), VIEW, seed=1)
    first = images[2, 5]["views"][0]
    torch.rand(100)  # whatever else draws numbers
    assert torch.equal(images[2, 5]["views"][0], first)
    assert torch.equal(UnlabelledImages(str(image_folder), VIEW, seed=1)[2, 5]["views"][0], first)
    for other in (images[3, 5], images[2, 6], UnlabelledImages(str(image_folder), VIEW, seed=2)[2, 5]):
        assert not torch.equal(other["views"][0], first)


def test_drawing_views_leaves_the_global_generator_alone(image_folder):
    images = UnlabelledImages(str(image_folder), VIEW)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    images[0, 0]
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", ["CropFlip", "MoCoV2Augmentation", "SimCLRAugmentation", "CentreCrop"])
def test_every_augmentation_gives_square_uint8_views(name, image_folder):
    transform = TRANSFORMS.build({"type": name, "size": 20})
    images = UnlabelledImages(str(image_folder), {"type": name, "size": 20})
    views = images[0, 0]["views"]
    assert len(views) == len(transform.sizes) == (2 if name == "SimCLRAugmentation" else 1)
    assert all(view.shape == (3, 20, 20) and view.dtype == torch.uint8 for view in views)


def test_byols_two_views_differ_in_blur_and_solarisation(image_folder):
    """Noise stays rough if it is not blurred, and a white sheet turns black if it is solarised."""
    augment = TRANSFORMS.build({"type": "BYOLAugmentation", "size": 32, "scale": (0.9, 1.0)})
    assert augment.sizes == (32, 32)
    white = Image.new("RGB", (40, 40), "white")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    torch.manual_seed(0)
    solarised = torch.tensor([[view.float().mean() < 64 for view in augment(white)] for _ in range(300)])
    assert solarised[:, 0].sum() == 0
    assert 0.1 < solarised[:, 1].float().mean() < 0.3

    rough = TRANSFORMS.build({"type": "BYOLAugmentation", "size": 32, "scale": (1.0, 1.0)})
    steps = torch.tensor([[view.float().diff().abs().mean() for view in rough(noise)] for _ in range(100)])
    assert steps[:, 0].mean() < 0.75 * steps[:, 1].mean(), "the first view is always blurred"
    with pytest.raises(TypeError):
        TRANSFORMS.build({"type": "BYOLAugmentation", "views": 1})

    views = UnlabelledImages(str(image_folder), {"type": "BYOLAugmentation", "size": 20})[0, 0]["views"]
    assert all(view.shape == (3, 20, 20) and view.dtype == torch.uint8 for view in views)


def test_an_unreadable_image_is_named_and_the_next_stands_in(image_folder, tmp_path):
    root = tmp_path / "images"
    shutil.copytree(image_folder, root)
    broken = list_images(root)[3]
    (root / broken).write_bytes((root / broken).read_bytes()[:40])  # a torn download
    images = UnlabelledImages(str(root), VIEW)
    item = images[0, 3]
    assert item["unreadable"] == [str(root / broken)]
    assert item["index"] == 4
    assert torch.equal(item["views"][0], images[0, 4]["views"][0])
    batch = collate_views([images[0, 2], item])
    assert batch["index"].tolist() == [2, 4]
    assert batch["unreadable"] == [str(root / broken)]
    assert batch["views"][0].shape == (2, 3, 16, 16)


def test_one_per_cent_is_the_limit():
    assert too_many_unreadable(["a"], 100) is None
    assert "2 of 100 images" in str(too_many_unreadable(["a", "b"], 100))


def test_an_epoch_is_a_permutation_and_a_resumed_one_its_rest(image_folder):
    images = UnlabelledImages(str(image_folder), VIEW)
    sampler = EpochSampler(images, seed=4)
    sampler.set_epoch(2)
    whole = list(sampler)
    assert sorted(index for _, index in whole) == list(range(24))
    assert {epoch for epoch, _ in whole} == {2}
    sampler.skip(10)
    assert list(sampler) == whole[10:]
    assert list(sampler) == whole, "only one pass is cut"
    sampler.set_epoch(3)
    assert list(sampler) != whole


def test_seeded_draws_are_those_of_manual_seed_and_leave_the_generator_as_it_was():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    with seeded(5):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(1), expected)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), inside)


@pytest.mark.parametrize(("batch", "sizes"), [(23, [23, 2]), (5, [5, 5, 5, 5, 4]), (24, [24]), (1, [1] * 24)])
def test_a_last_batch_of_one_gets_the_epochs_first_image_again(batch, sizes, image_folder):
    """Every image is seen; a resumed epoch leaves out exactly what it has seen."""
    images = UnlabelledImages(str(image_folder), VIEW)
    sampler = EpochSampler(images, seed=4, batch_size=batch)
    whole = [index for _, index in sampler]
    assert [len(part) for part in BatchSampler(whole, batch, drop_last=False)] == sizes
    assert sorted(whole[:24]) == list(range(24)) and whole[24:] == whole[: len(whole) - 24]
    sampler.skip(batch)
    assert [index for _, index in sampler] == whole[batch:]
