"""tools/benchmark_input.py measures this project's views and the authors'."""

import pytest


def test_measures_every_kind_of_views(run_here, image_folder):
    shown = run_here("benchmark_input.py", "--data", image_folder, "--images", 2, "--rounds", 1)
    _, *rows = shown.splitlines()
    names = ["SwAV", "MoCo-v2", "SEED", "BYOL", "crop and flip"]
    assert [row.split(",")[0].split(" (")[0] for row in rows] == names
    for row in rows:
        authors, worker, ratio, _, cut, cut_ratio, _, crops, lightly = row[38:].split()
        for ours, shown in ((worker, ratio), (cut, cut_ratio)):
            assert float(ours) / float(authors) == pytest.approx(float(shown), rel=0.02, abs=0.01)
        assert float(crops) > 0 and (lightly == "-" or float(lightly) > 0)
