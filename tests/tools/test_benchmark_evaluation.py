"""tools/benchmark_evaluation.py measures features and protocols of two sizes, and what FAISS takes alone."""

import re


def test_measures_two_sizes(run_tool, tmp_path):
    small = ("--images", 400, "--classes", 4, "--arch", "test_resnet", "--processes", 1)
    done = run_tool("benchmark_evaluation.py", *small, "--where", tmp_path)
    assert done.returncode == 0, done.stderr
    _, *lines = done.stdout.splitlines()
    found = [re.fullmatch(r"(\d+) +(.+?) +(-?[\d.]+)(?:   .*)?", line).groups() for line in lines]
    titles = [
        "features, 1 process", "knn", "linear", "cluster_alignment", "20 nearest neighbours",
        "k-means, 20 iterations", "start, all protocols",
    ]  # fmt: skip
    assert [(images, title) for images, title, _ in found] == [(n, t) for n in ("40", "400") for t in titles]
    assert all(float(seconds) < 60 for *_, seconds in found)
    assert not list(tmp_path.iterdir()), "what was made for it is removed"


def test_too_few_images_are_one_line(run_here):
    error = run_here("benchmark_evaluation.py", "--images", 10, "--classes", 4, code=2)
    assert error == "error: valid: at least 2 classes, and 10 images of each\n"
