"""``tools/figures.py`` on small pictures."""

import numpy as np
import pytest
from PIL import Image

from distill.backbones import create_backbone
from distill.checkpoints import save_student

SMALL = ("--image-size", 32, "--resize", 32, "--workers", 0, "--clusters", 2, "--pictures", 2)


@pytest.fixture
def data(tmp_path):
    random = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(3):
                pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{number}.png")
    return tmp_path


def test_figures_of_a_checkpoint_beside_a_random_network(data, tmp_path, run_here):
    student = tmp_path / "run" / "last.pth"
    student.parent.mkdir()
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    save_student(student, create_backbone("test_resnet"), "test_resnet", mean, std, 32, meta={"run": "mine"})
    output = run_here(
        "figures.py", student, "--random", "test_resnet", "--data", data, "--out", tmp_path / "out",
        "--figures", "cluster_grid,feature_maps,per_category", *SMALL,
    )  # fmt: skip
    names = ["cluster_grid-mine", "cluster_grid-random_test_resnet", "feature_maps", "per_category"]
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == names
    assert all(str(tmp_path / "out" / f"{name}.png") in output for name in names)
    with Image.open(tmp_path / "out" / "feature_maps.png") as image:
        assert image.text["Comment"].endswith("--clusters 2 --pictures 2")
        assert f"2 random pictures (seed 0) of {data / 'val'} at 32 px" in image.text["Description"]


def test_maps_of_pictures_without_labels(data, tmp_path, run_here):
    arguments = ("--random", "test_resnet", "--images", data / "val", "--out", tmp_path / "out", *SMALL)
    assert "feature_maps.png" in run_here("figures.py", *arguments, "--figures", "feature_maps")
    assert "valid: --figures feature_maps" in run_here("figures.py", *arguments, code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--random", "test_resnet"], "name the images: --data ROOT, --data-root DIR --set NAME, or"),
        (["--random", "test_resnet", "--data-root", "."], "--data-root and --set belong together"),
        (["--random", "test_resnet", "--data-root", ".", "--set", "voc"], "unknown data set 'voc'"),
        (["--data", "."], "name checkpoints (or --random ARCH), or else --results FILE"),
        (["--results", "a.jsonl", "--random", "test_resnet"], "or else --results FILE"),
        (["--figures", "cam"], "unknown figure 'cam'"),
        (["--results", "a.jsonl"], "no such results file: a.jsonl"),
        (["--random", "test_resnet", "--data", ".", "--features", "a", "b"], "2 folders for 1 networks"),
        (["--random", "test_resnet", "--data", ".", "--pictures", "0"], "at least 1"),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path, run_here):
    errors = run_here("figures.py", "--out", tmp_path / "out", *arguments, code=2)
    assert message in errors and len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()
