"""Small labelled images and features with a known answer."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill import results
from distill.evaluation import Extraction, Features, evaluate, list_labelled
from tests import processes


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


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """``train`` and ``val`` of two colours, 24 and 12 images."""
    root = tmp_path_factory.mktemp("data")
    write_folder(root / "train", images=12)
    write_folder(root / "val", seed=1)
    return root


def measure(backbone, root, work_dir, protocol):
    """The result on the folders ``train`` and ``val`` at 32 px, and the lines that were said."""
    folders, lines = [list_labelled(root / part) for part in ("train", "val")], []
    extraction = Extraction(image_size=32, batch_size=16, workers=0)
    (result,) = evaluate(backbone, *folders, [protocol], extraction, lines.append, work_dir)
    return result, lines


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


@pytest.fixture
def kill_and_resume(run_here, tmp_path):
    """Runs ``evaluate.py ARGUMENTS`` whole, and again with a kill -9 once a file is there, and resumed.

    Returns the folders of both, with their ``results.jsonl``, and what the resumed run has printed.
    """

    def run(arguments: list[str], once: str) -> tuple[Path, Path, str]:
        whole, broken = tmp_path / "whole", tmp_path / "broken"
        run_here("evaluate.py", *arguments, "--results", whole / "results.jsonl")
        command = [*arguments, "--results", str(broken / "results.jsonl")]
        victim = processes.start_tool("evaluate.py", *command)
        deadline = time.time() + 120
        while not list(broken.glob(once)) and time.time() < deadline:
            time.sleep(0.002)
        victim.kill()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL and not (broken / "results.jsonl").exists()
        output = run_here("evaluate.py", *command)
        (expected,), (found,) = (results.read(folder / "results.jsonl") for folder in (whole, broken))
        for key in ("metrics", "settings", "details"):
            assert found.get(key) == expected.get(key)
        return whole, broken, output

    return run
