"""Grids of settings."""

from distill.report.sweeps import as_html, sweeps_of

ROW = {"task": "knn", "label": "a", "init": "distilled", "backbone": "resnet18", "seed": 0, "time": "1"}


def row(key: str, value: float, measured: float) -> dict:
    grid = {"grid": {key: value}, "grid_of": "compress_1q"}
    return ROW | {"metrics": {"1nn": measured}, "settings": {}, "details": grid}


def test_two_grids_of_one_config_have_titles_of_their_own_and_their_tasks_stay_together():
    rows = [row("model.temperature", value, 10 * value) for value in (0.1, 1.0)]
    rows += [row("model.queue_length", value, 5.0) for value in (4, 8)]
    rows += [{**each, "task": "linear", "metrics": {"top1": 1.0}} for each in rows]
    found = sweeps_of(rows)
    assert [sweep.title.removeprefix("compress_1q: ") for sweep in found] == [
        "Nearest neighbours over model.queue_length", "Linear classifier over model.queue_length",
        "Nearest neighbours over model.temperature", "Linear classifier over model.temperature",
    ]  # fmt: skip
    assert "<h3>compress_1q: Nearest neighbours over model.queue_length</h3>" in as_html(found[0])
