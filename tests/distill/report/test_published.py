"""The papers' numbers: how many each table holds, known cells, and the form of the file."""

import json
import re
from pathlib import Path

import pytest

import distill.report.published as module
from distill.report.blocks import titles
from distill.report.published import facts, published_tasks, tables
from distill.results.protocol import declared

CELL = re.compile(r"\d+(\.\d+)?( ± \d+\.\d+)?( \((f7|c[345]|L[45]|all|fc8)\))?|")
NUMBERS = {  # table -> its rows, its numbers (a deviation is one), counted in the paper
    "CompRess (NeurIPS 2020), Table 1": (8, 87),
    "CompRess (NeurIPS 2020), Table 2": (7, 21),
    "CompRess (NeurIPS 2020), Table 3": (6, 24),
    "CompRess (NeurIPS 2020), Table 4": (9, 72),
    "CompRess (NeurIPS 2020), Table 5": (42, 62),
    "CompRess (NeurIPS 2020), Table 6": (8, 28),
    "CompRess (NeurIPS 2020), Table 7": (13, 26),
    "CompRess (NeurIPS 2020), Table A1": (5, 10),
    "OSS (NeurIPS 2021), Table 9": (22, 44),
    "OSS (NeurIPS 2021), Table 10": (8, 8),
    "OSS (NeurIPS 2021), Table 11": (6, 36),
    "OSS (NeurIPS 2021), Table 12": (8, 32),
    "OSS (NeurIPS 2021), Table 13": (7, 14),
    "OSS (NeurIPS 2021), Table 14": (0, 0),  # bars in the paper
    "OSS (NeurIPS 2021), Table 15": (6, 39),
    "OSS (NeurIPS 2021), Table 16": (2, 8),
    "PCD (ICCV 2023), COCO": (1, 2),
    "PCD (ICCV 2023), Cityscapes": (0, 0),  # not at hand
}
TABLES = {table.source: table for table in tables()}


def lines(source: str) -> list:
    return [line for group in TABLES[source].groups for line in group.lines]


def test_every_table_holds_as_many_rows_and_numbers_as_the_paper():
    counted = {
        source: (
            len(lines(source)),
            len(re.findall(r"\d+\.\d+", str([line.cells for line in lines(source)]))),
        )
        for source in TABLES
    }
    assert counted == NUMBERS


@pytest.mark.parametrize(
    ("source", "labels", "cells"),
    [
        ("CompRess (NeurIPS 2020), Table 1", ("CRD",), "54.4 36.9 14.1 58.4 43.7 17.4 54.1 36.0 12.0 - - -"),
        ("CompRess (NeurIPS 2020), Table 3", ("CompRess-2q",), "29.0±0.3 41.2 47.6"),
        (
            "CompRess (NeurIPS 2020), Table 4",
            ("CC", "ResNet-50x4"),
            "23.6 33.6 44.9 58.4 25.4 33.2 43.2 54.3",
        ),
        ("CompRess (NeurIPS 2020), Table 5", ("CompRess-1q (from R50x4)",), "59.0(f7) 40.3(c5)"),
        ("CompRess (NeurIPS 2020), Table 6", ("PIRL",), "- - 57.2 83.8"),
        ("CompRess (NeurIPS 2020), Table 7", ("MoCo",), "71.3(fc8) 55.8"),
        ("CompRess (NeurIPS 2020), Table A1", ("MobileNet-v2",), "0.33 3.50"),
        ("OSS (NeurIPS 2021), Table 9", ("SEED", "MoCo-v2 (ResNet-101)"), "70.3 63.0"),
        ("OSS (NeurIPS 2021), Table 12", ("SimCLR",), "30.6±0.35 46.2±0.10"),
        ("OSS (NeurIPS 2021), Table 13", ("OSS",), "62.4 58.3"),
        ("OSS (NeurIPS 2021), Table 16", ("OSS",), "57.5 64.1 65.5 68.3"),
        ("PCD (ICCV 2023), COCO", ("PCD",), "37.4 34.0"),
    ],
)
def test_known_rows(source, labels, cells):
    (found,) = [line.cells for line in lines(source) if line.labels == labels][:1]
    assert " ".join(cell.replace(" ", "") or "-" for cell in found) == cells


def test_oss_at_400_epochs_is_printed_from_both_tables():
    table_10 = [line.cells for line in lines("OSS (NeurIPS 2021), Table 10") if line.labels[2] == "400"]
    table_16 = lines("OSS (NeurIPS 2021), Table 16")[1].cells
    assert (table_10[1], table_16[2]) == (("65.8",), "65.5")


@pytest.mark.parametrize("source", TABLES)
def test_the_form_of_a_table(source):
    """Cells read as a number, its deviation and a word in brackets; no row and no column stands twice."""
    table = TABLES[source]
    for line in lines(source):
        assert len(line.labels) == len(table.labels) and len(line.cells) == len(table.columns)
        assert all(CELL.fullmatch(cell) for cell in line.cells), line
    columns = [(c.group, c.name) for c in table.columns]
    assert len(set(columns)) == len(columns)
    rows = [(group.title, line.labels) for group in table.groups for line in group.lines]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("source", TABLES)
def test_percentages_stand_below_100(source):
    for line in lines(source):
        for column, cell in zip(TABLES[source].columns, line.cells, strict=True):
            assert not column.task or not cell or 0 < float(cell.split()[0]) < 100, line


@pytest.mark.parametrize("task", ["voc07_det", "voc12_seg"])
def test_benchmarks_without_a_published_table_stay_empty(task):
    assert task not in published_tasks()


def test_protocols_that_name_a_table_meet_its_columns():
    """The metrics of the published columns are those that the protocol measures."""
    columns = [column for table in tables() for column in table.columns if column.task]
    for protocol in declared().values():
        own = [column for column in columns if column.task in (protocol.name, protocol.published)]
        assert bool(own) == bool(protocol.tables), protocol.name
        for column in own:
            assert {column.metric, column.metric.split("_")[0]} & protocol.metrics.keys(), protocol.name


def test_what_a_column_gives_is_known():
    """A student or a data set without a name in the file could never meet a row of ours."""
    for table in tables():
        for group in table.groups or [None]:
            for column in table.columns:
                given = column.given | (group.given if group else {})
                assert given.get("student", "ResNet-18") in facts()["students"].values()
                sets = given.get("data", [])
                sets = {sets} if isinstance(sets, str) else set(sets)
                assert not column.task or sets and sets <= titles().keys(), (table.source, column.name)


@pytest.fixture
def another_table(tmp_path, monkeypatch):
    """The file with one more table, instead of the package's own."""
    content = json.loads(Path(module.__file__).with_name("published.json").read_text())
    content["tables"].append({
        "paper": "Paper", "table": "7", "title": "One", "note": "", "given": {"data": "imagenet"},
        "labels": [["Method", "method"]],
        "columns": [{"title": "", "given": {}, "columns": [["top-1", "linear:top1"]]}],
        "groups": [{"title": "", "given": {"student": "ResNet-18"}, "rows": [["Mine", 71.5]]}],
    })  # fmt: skip
    (tmp_path / "published.json").write_text(json.dumps(content))
    monkeypatch.setattr(module, "__file__", str(tmp_path / "published.py"))
    facts.cache_clear()
    yield
    facts.cache_clear()


def test_a_published_table_is_one_entry_of_the_file(another_table):
    (table,) = [table for table in tables() if table.source == "Paper, Table 7"]
    assert (table.columns[0].task, table.groups[0].lines[0].cells) == ("linear", ("71.5",))
