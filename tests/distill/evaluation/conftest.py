"""Small labelled images and features with a known answer."""

import numpy as np
import pytest
import torch
from PIL import Image

from distill.evaluation import Features


def write_folder(root, classes=("cat", "dog"), images=6, size=(40, 32), seed=0):
    """An ImageFolder of noise around one colour a class: easy for any network, random ones too."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        colour = np.full(3, 40) + 170 * np.eye(3)[number % 3]
        for index in range(images):
            pixels = rng.normal(colour, 15, (*size, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


def blobs(classes=7, per_class=30, width=16, spread=0.05, seed=0, centres_seed=0):
    """Features around one random direction a class."""
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(centres_seed))
    y = torch.arange(classes).repeat_interleave(per_class)
    noise = torch.randn(len(y), width, generator=torch.Generator().manual_seed(seed + 1))
    return Features(centres[y] + spread * noise, y, tuple(f"class {number}" for number in range(classes)))


@pytest.fixture(autouse=True)
def one_thread():
    """The tensors here are too small to share out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def image_folder(tmp_path):
    """``image_folder("train", images=3)`` writes an ImageFolder and returns its path."""
    return lambda name, **options: write_folder(tmp_path / name, **options)


@pytest.fixture
def separable():
    """Training and validation features that any sound evaluator gets all right."""
    return blobs(seed=0), blobs(seed=1, per_class=10)


@pytest.fixture
def meaningless():
    """The same width and classes, but labels have nothing to do with the features."""
    train, val = blobs(seed=0, per_class=300, spread=10), blobs(seed=1, per_class=300, spread=10)
    return train, val
