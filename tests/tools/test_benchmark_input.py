"""tools/benchmark_input.py measures this project's views and the authors'."""


def test_measures_every_kind_of_views(run_here, image_folder):
    shown = run_here("benchmark_input.py", "--data", image_folder, "--images", 2, "--rounds", 1)
    _, *rows = shown.splitlines()
    assert [row.split(",")[0].split(" (")[0] for row in rows] == ["SwAV", "MoCo-v2", "BYOL", "crop and flip"]
    for row in rows:
        ours, authors, ratio = (float(word) for word in row.removesuffix(" x").split()[-3:])
        assert abs(ours / authors - ratio) < 0.02 * ratio + 0.01
