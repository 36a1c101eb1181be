"""The papers' numbers: known cells, and the shape of the table that holds them."""

import json
from pathlib import Path

import pytest

import distill.report.published as module
from distill.report.published import facts, published
from distill.results.protocol import declared


def cell(task: str, metric: str, method: str, student: str, table: str, teacher: str = "") -> list[str]:
    rows = [row for row in published(task) if row.source.endswith(table) and teacher in row.teacher]
    return [row.values.get(metric) for row in rows if (row.method, row.student) == (method, student)]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("linear", "top1", "CompRess-1q", "AlexNet", "Table 5"), "59.0"),
        (("linear", "top1", "CompRess-1q", "ResNet-18", "CompRess (NeurIPS 2020), Table 1"), "62.6"),
        (("knn", "1nn", "CompRess-2q", "MobileNet-v2", "Table 1"), "54.4"),
        (("cluster_alignment", "top1", "CompRess-2q", "ResNet-18", "Table 2"), "26.7"),
        (("knn", "1nn_1-shot", "CompRess-2q", "ResNet-18", "Table 3"), "29.0 ± 0.3"),
        (("retrieval", "recall@8", "CompRess-2q", "AlexNet", "Table 4", "ResNet-50x4"), ["62.4", "60.4"]),
        (("cityscapes_seg", "mIoU", "OSS", "ResNet-18", "Table 13"), "62.4"),
        (("coco_det", "bbox_AP", "PCD", "ResNet-18", "PCD (ICCV 2023)"), "37.4"),
        (("coco_det", "segm_AP", "PCD", "ResNet-18", "PCD (ICCV 2023)"), "34.0"),
    ],
)
def test_known_cells(where, value):
    assert cell(*where) == ([value] if isinstance(value, str) else value)


def test_oss_at_400_epochs_is_printed_from_both_tables():
    values = [row.values["top1"] for row in published("linear") if row.method == "OSS, 400 epochs"]
    assert values == ["65.8", "65.5"]


@pytest.mark.parametrize("task", ["voc07_det", "voc12_seg", "coco_lowshot_1k", "coco_lowshot_10k"])
def test_benchmarks_without_a_published_table_stay_empty(task):
    assert published(task) == []


def test_every_row_has_a_cell_for_every_column_and_percentages_only():
    for table in facts()["tables"]:
        for row in table["rows"]:
            assert len(row) == 3 + len(table["columns"]), (table["table"], row)
            means = [value[0] if isinstance(value, list) else value for value in row[3:] if value is not None]
            assert all(0 < value < 100 for value in means), (table["table"], row)


def test_protocols_that_name_a_table_meet_its_rows():
    """The metrics of the published columns are those that the protocol measures."""
    for protocol in declared().values():
        rows = published(protocol.published or protocol.name)
        assert bool(rows) == bool(protocol.tables), protocol.name
        for metric in (metric for row in rows for metric in row.values):
            assert {metric, metric.split("_")[0]} & protocol.metrics.keys(), (protocol.name, metric)


@pytest.fixture
def another_table(tmp_path, monkeypatch):
    """The file with one more table, instead of the package's own."""
    content = json.loads(Path(module.__file__).with_name("published.json").read_text())
    entry = {"paper": "Paper", "table": "7", "data": "ImageNet", "note": "", "columns": ["linear:top1"]}
    content["tables"].append({**entry, "rows": [["Mine", "a teacher", "ResNet-18", 71.5]]})
    (tmp_path / "published.json").write_text(json.dumps(content))
    monkeypatch.setattr(module, "__file__", str(tmp_path / "published.py"))
    facts.cache_clear()
    yield
    facts.cache_clear()


def test_a_published_table_is_one_entry_of_the_file(another_table):
    (row,) = [row for row in published("linear") if row.source == "Paper, Table 7"]
    assert (row.method, row.student, row.values) == ("Mine", "ResNet-18", {"top1": "71.5"})
