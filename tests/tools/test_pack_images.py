"""tools/pack_images.py, and the other tools on what it wrote."""

import numpy as np
import pytest
import torch
from PIL import Image

from distill import results
from distill.checkpoints import read_weights


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """``train`` and ``val`` of two classes, 12 and 6 images."""
    root, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 3)):
        for number, name in enumerate(("dark", "light")):
            (root / part / name).mkdir(parents=True)
            for image in range(count):
                pixels = random.integers(90 * number, 90 * number + 120, (40, 36, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{image}.png")
    return root


@pytest.fixture
def shards(data, tmp_path, run_here):
    for part in ("train", "val"):
        said = run_here(
            "pack_images.py", data / part, "--out", tmp_path / part, "--shard-size", 0.02, "--workers", 0
        )
        assert "tar files" in said and said.rstrip().endswith(f"..., as that of {data / part}")
    return tmp_path


def test_a_student_is_the_same_from_shards_and_a_cache_of_the_folder_serves_it(
    data, shards, teacher_file, tmp_path, run_here
):
    cache = ("--teacher", teacher_file, "--image-size", 32, "--workers", 0, "--out", tmp_path / "cache")
    run_here("cache_teacher.py", "--data", data / "train", *cache)
    assert "nothing to do" in run_here("cache_teacher.py", "--data", shards / "train", *cache)
    students = []
    for root in (data, shards):
        run_here(
            "distill.py", "--method", "compress_1q", "--data", root / "train", "--teacher", teacher_file,
            "--teacher-cache", tmp_path / "cache", "--student", "test_resnet", "--epochs", 1, "--batch-size",
            4, "--image-size", 32, "--workers", 0, "--work-dir", tmp_path / root.name,
        )  # fmt: skip
        students.append(read_weights(tmp_path / root.name / "last.pth").backbone)
    assert students[0].keys() == students[1].keys()
    assert all(torch.equal(value, students[1][key]) for key, value in students[0].items())


def test_an_evaluation_finds_the_same_and_takes_the_features_of_the_folder(data, shards, tmp_path, run_here):
    kept = ("--features", tmp_path / "features")
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for file, (root, features) in zip(files, ((data, kept), (shards, kept), (shards, ())), strict=True):
        run_here(
            "evaluate.py", "--random", "--arch", "test_resnet", "--data", root, "--protocols", "knn,linear",
            "--image-size", 32, "--workers", 0, "--device", "cpu", *features,
            "--results", file,
        )  # fmt: skip
    found = [[(row["task"], row["metrics"]) for row in results.read(file)] for file in files]
    assert len(found[0]) == 2 and found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-side", 0), "--max-side 0: valid: 1 pixel or more"),
        (("--shard-size", 0), "--shard-size 0: valid: above 0 MB"),
        (("--workers", -1), "--workers -1: valid: 0 or more"),
        ((), "no such image folder: nowhere"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, tmp_path, run_here):
    said = run_here("pack_images.py", "nowhere", "--out", tmp_path / "shards", *arguments, code=2)
    assert said == f"error: {message}\n" and not list(tmp_path.iterdir())
