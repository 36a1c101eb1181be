"""Result rows, logs and manifests that are damaged or odd: each is named with its line, the rest is shown."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill import results
from distill.errors import Odd, UserError
from distill.report import write_report
from distill.report.runs import read_run
from transfer.jobs import launch
from transfer.jobs.job import settings_in

GOOD = results.make_row(
    "knn", "one", "distilled", "my_net", 0, {"1nn": 50.0, "20nn": 51}, "run/last.pth", "ab",
    {
        "val": {"folder": "/data/val", "images": 3, "unreadable": 0}, "train": {"folder": "/data/train"},
        "image_size": 64, "knn": {"k": [1, 20], "temperature": 0.07}, "schedule": {"steps": 3, "batch": 2},
    },
    2.0, training_seed=1, title="k-NN", kind="features", headline="1nn", names={"1nn": "1-NN"},
    data="cifar10", details={"per_class": {"cat": 1.0, "dog": None}, "sweep": {"lr 1": 3.0}},
    figures={"clusters": "b.png"},
)  # fmt: skip
OF_A_GRID = GOOD | {"details": {"grid": {"model.t": 0.1, "b": "x"}, "grid_of": "seed"}}
TEXT = json.dumps(GOOD)


def with_(**fields) -> str:
    """A line that differs in some fields; ``...`` leaves one out."""
    return json.dumps({key: value for key, value in (GOOD | fields).items() if value is not ...})


ODD = {  # a line: words of the warning
    TEXT[: len(TEXT) // 2]: "not whole JSON",
    TEXT[:-1]: "not whole JSON",
    TEXT + TEXT: "not whole JSON",
    "{'task': 'knn'}": "not whole JSON",
    "<!DOCTYPE html>": "not whole JSON",
    "\ufeff" + TEXT: "not whole JSON",
    "[]": "no JSON object",
    f"[{TEXT}]": "no JSON object",
    "null": "no JSON object",
    "3": "no JSON object",
    '"row"': "no JSON object",
    "NaN": "no JSON object",
    "{}": "lacks task, label, init, backbone, seed, metrics, settings, time",
    "[" * 100_000: "more than 50 levels of brackets",
    with_(settings=json.loads('{"a":' * 60 + "1" + "}" * 60)): "more than 50 levels of brackets",
    '{"label": "two", ' + TEXT[1:]: "key 'label' twice",
    TEXT.replace('"1nn": 50.0', '"1nn": 50.0, "1nn": 90.0'): "key '1nn' twice",
    TEXT.replace("50.0", "1e999"): "the number 1e999 is too large",
    TEXT.replace("50.0", "-" + "9" * 5000): "is too large",
    TEXT.replace("50.0", "NaN"): "'metrics.1nn' is None; valid: a number",
    TEXT.replace("50.0", "-Infinity"): "'metrics.1nn' is None; valid: a number",
    with_(schema=2): "of schema 2; this version reads up to 1",
    with_(schema="new"): "'schema' is 'new'; valid: a whole number",
    **{
        with_(**{name: ...}): f"lacks {name}"
        for name in ("task", "label", "init", "backbone", "seed", "metrics", "settings", "time")
    },
    **{
        with_(**{name: value}): f"'{name}' is {value!a:.60}; valid: a text"
        for name in ("task", "label", "init", "backbone", "time", "checkpoint", "command", "title", "kind",
                     "headline", "data", "sha256")
        for value in (3, None, ["a"], {"a": "b"})
    },
    **{
        with_(**{name: value}): f"'{name}' is {value!a:.60}; valid: a whole number"
        for name in ("seed", "training_seed")
        for value in (1.5, "0", None, True, [0])
    },
    **{
        with_(**{name: value}): f"'{name}' is {value!a:.60}; valid: a dictionary"
        for name in ("metrics", "settings", "names", "details", "figures", "versions")
        for value in (3, "a", None, [])
    },
    with_(metrics={"1nn": "50"}): "'metrics.1nn' is '50'; valid: a number",
    with_(metrics={"1nn": True}): "'metrics.1nn' is True; valid: a number",
    with_(metrics={"1nn": [50]}): "'metrics.1nn' is [50]; valid: a number",
    with_(metrics={"1nn": 1e10}): "'metrics.1nn' is 10000000000.0; valid: less than or equal to 1000000000",
    with_(names={"1nn": 1}): "'names.1nn' is 1; valid: a text",
    with_(figures={"a": None}): "'figures.a' is None; valid: a text",
    with_(seconds=-1): "'seconds' is -1; valid: greater than or equal to 0",
    with_(seconds="2"): "'seconds' is '2'; valid: a number",
    with_(settings={"val": "/data"}): "'settings.val' is '/data'; valid: a dictionary",
    with_(settings={"val": {"images": "3"}}): "'settings.val.images' is '3'; valid: a whole number",
    with_(settings={"train": {"unreadable": -1}}): "'settings.train.unreadable' is -1; valid: greater than",
    with_(settings={"schedule": 3}): "'settings.schedule' is 3; valid: a dictionary",
    with_(details={"per_class": {"cat": "x"}}): "'details.per_class.cat' is 'x'; valid: a number",
    with_(details={"grid": [1]}): "'details.grid' is [1]; valid: a dictionary",
}  # fmt: skip


def told(call) -> list[str]:
    """What a call warns of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return [str(each.message) for each in found if issubclass(each.category, Odd)]


@pytest.mark.parametrize("line", ODD, ids=range(len(ODD)))
def test_an_odd_line_is_named_and_left_out(line, tmp_path):
    file, found = tmp_path / "results.jsonl", []
    file.write_text(f"{TEXT}\n\n{line}\n{TEXT}\n")
    (words,) = told(lambda: found.extend(results.read(file)))
    assert words.startswith(f"{file}:3: no result row, left out: ") and ODD[line] in words, words
    assert found == [GOOD, GOOD] and "\n" not in words and len(words) < len(str(file)) + 250


@pytest.mark.parametrize("line", [b'{"task": "\xff"}', b"\x00" * 99, TEXT.encode("utf-16"), b"\xff" * 9**5])
def test_bytes_that_are_no_text_are_named(line, tmp_path):
    file = tmp_path / "results.jsonl"
    file.write_bytes(line.replace(b"\n", b"") + b"\n" + TEXT.encode())
    (words,) = told(lambda: results.read(file))
    assert f"{file}:1: no result row, left out: not" in words


def test_rows_may_hold_any_letters_and_what_this_version_does_not_know(tmp_path):
    """A file's name that is not UTF-8, ends of lines within a text, fields of later versions."""
    row = GOOD | {"label": "\udcff\u2028\x85\r\n", "mine": [1], "settings": {"mine": {"\udcff": None}}}
    results.append(tmp_path / "results.jsonl", row)
    raw = json.dumps(GOOD | {"label": "a\u2028b\x85c"}, ensure_ascii=False)
    with open(tmp_path / "results.jsonl", "a") as file:
        file.write(raw + "\n")
    found = []
    assert told(lambda: found.extend(results.read(tmp_path / "results.jsonl"))) == []
    assert found == [row, GOOD | {"label": "a\u2028b\x85c"}]


def test_a_file_of_something_else_is_not_told_line_by_line(tmp_path):
    (tmp_path / "log.txt").write_text("line\n" * 10_000)
    words = told(lambda: results.read(tmp_path / "log.txt"))
    assert len(words) == 6 and words[-1].endswith("9995 more lines are no result rows, left out")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_was_not_measured_makes_no_row(value, tmp_path):
    with pytest.raises(UserError, match=f"knn: 1nn is {value}; no row is written"):
        results.make_row("knn", "x", "random", "resnet18", 0, {"1nn": value}, "", "", {}, 1.0)
    file = tmp_path / "results.jsonl"
    results.append(file, GOOD | {"details": {"per_class": {"cat": value}, "also": [(value,)]}})
    assert "NaN" not in file.read_text() and "Infinity" not in file.read_text()
    assert results.read(file)[0]["details"] == {"per_class": {"cat": None}, "also": [[None]]}


def test_the_report_shows_the_other_rows_and_the_tool_names_the_odd_ones(run_tool, tmp_path):
    file = tmp_path / "results.jsonl"
    file.write_text("\n".join([*ODD, TEXT]))
    done = run_tool("report.py", file, "--out", tmp_path / "out")
    lines = done.stderr.splitlines()
    assert done.returncode == 0 and len(lines) == 6
    assert all(line.startswith(f"warning: {file}:") for line in lines), lines
    assert "1 result," in (tmp_path / "out/report.html").read_text()


@pytest.mark.parametrize("content", ["", "\n\n", "\n".join(list(ODD)[:3])])
def test_a_file_without_a_row_is_one_line(content, run_here, tmp_path):
    (tmp_path / "results.jsonl").write_text(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Odd)
        line = run_here("report.py", tmp_path / "results.jsonl", "--out", tmp_path / "out", code=2)
    assert line.startswith("error: no result rows in ") and line.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="is a folder; valid: a file of result rows"):
        results.read(tmp_path)


MANIFESTS = {  # content: words of the warning
    '{"command": "a': "not whole JSON",
    "[]": "no JSON object",
    "": "not whole JSON",
    '{"seed": 1, "seed": 2}': "key 'seed' twice",
    "[" * 100_000: "levels of brackets",
}
LOGS = {  # a line of scalars.json: words of the warning
    '{"loss": 3.0, "st': "line 2 is not whole JSON",
    "[1, 2]": "line 2 is no JSON object",
    '{"loss": "x", "step": 2}': "line 2 is no entry: its loss is 'x'",
    '{"loss": true, "step": 2}': "line 2 is no entry: its loss is True",
    '{"loss": [1], "step": 2}': "line 2 is no entry: its loss is [1]",
    '{"loss": 1.0, "step": "2"}': "line 2 is no entry: its step is '2'",
    '{"loss": 1.0, "step": 1e999}': "line 2 is the number 1e999 is too large",
    '{"loss": 1.0, "step": 2, "epoch": "one", "time": 1.0}': "line 2 is no entry: its epoch is 'one'",
    '{"loss": 1.0, "step": 2, "epoch": 1, "time": {}}': "line 2 is no entry: its time is {}",
    "\x00\x00\x00": "line 2 is not whole JSON",
}


def a_run(folder, manifest: str, line: str):
    (folder / "1/vis_data").mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest)
    log = folder / "1/vis_data/scalars.json"
    entries = ['{"loss": 4.0, "step": 1, "epoch": 1, "time": 0.5}', line, '{"loss": NaN, "step": 2}']
    log.write_text("\n".join([*entries, '{"loss": 2.0, "step": 3}']))
    return log


@pytest.mark.parametrize("content", MANIFESTS, ids=range(len(MANIFESTS)))
def test_a_damaged_manifest_is_named_and_the_curve_shown(content, tmp_path):
    a_run(tmp_path, content, "")
    (words,) = told(lambda: read_run(tmp_path))
    assert str(tmp_path / "manifest.json") in words and MANIFESTS[content] in words
    with warnings.catch_warnings(action="ignore"):
        found = read_run(tmp_path)
    assert found.manifest == {} and found.curve == [(1, 4.0), (3, 2.0)]


@pytest.mark.parametrize("line", LOGS)
def test_an_odd_line_of_a_log_is_named_and_left_out(line, tmp_path):
    log = a_run(tmp_path, '{"seed": 0}', line)
    (words,) = told(lambda: read_run(tmp_path))
    assert str(log) in words and LOGS[line] in words
    with warnings.catch_warnings(action="ignore"):
        assert read_run(tmp_path).curve == [(1, 4.0), (3, 2.0)]


OUTCOMES = {  # result.json of a benchmark's run: words of the line
    "": "not whole JSON",
    '{"metrics": {"AP": 1.0}, "sec': "not whole JSON",
    "[]": "no JSON object",
    '{"metrics": {"AP": 1.0}, "seconds": 2.0}': "'resumed_from'",
    '{"metrics": [1.0], "seconds": 2.0, "resumed_from": 0}': "damaged",
    '{"metrics": {"AP": "high"}, "seconds": 2.0, "resumed_from": 0}': "that are no numbers",
    '{"metrics": {"AP": NaN}, "seconds": 2.0, "resumed_from": 0}': "that are no numbers",
    '{"metrics": {"AP": 1.0}, "seconds": null, "resumed_from": 0}': "that are no numbers",
}


@pytest.mark.parametrize("content", OUTCOMES)
def test_what_a_run_of_a_benchmark_left_is_whole_or_one_line(content, tmp_path):
    for name, call in (
        ("result.json", lambda: launch.result(SimpleNamespace(folder=tmp_path))),
        ("job.json", lambda: settings_in(tmp_path)),
    ):
        (tmp_path / name).write_text(content)
        if name == "result.json" or content in ("", "[]"):
            with pytest.raises(UserError) as error:
                call()
            line = str(error.value)
            assert line.startswith(f"{tmp_path / name}: damaged (") and "\n" not in line
            assert name == "job.json" or OUTCOMES[content] in line


WORDS = st.text(max_size=6) | st.sampled_from(
    ["</script><b>", "| a | b", "{{x}}", "\udcff\x00", "knn", "coco_lowshot_1k", "teacher", "random", "/"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.sampled_from(
    [10**299, -(10**299), 2**63, 1e300, -1e300, 5e-324, -5e-324, 1e9, -1e9, 0]
)  # fmt: skip
ANY = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def near(draw, content: dict) -> dict:
    """A dict with anything that JSON has in place of one of its values, at any depth."""
    name = draw(st.sampled_from(sorted(content)))
    inner = content[name]
    value = draw(near(inner)) if isinstance(inner, dict) and inner and draw(st.booleans()) else draw(ANY)
    return content | {name: value}


ENTRY = {"loss": 3.0, "step": 2, "epoch": 1, "time": 0.5}
CONFIG = "model = dict(teacher=dict(weights='t'))\ntrain_cfg = dict(max_epochs=3)"
MANIFEST = {"command": "a", "config": CONFIG, "data": {"root": "/data"}, "seed": 0}


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    rows=st.lists(near(GOOD) | near(OF_A_GRID) | near(GOOD | {"data": ""}), min_size=1, max_size=6),
    manifest=near(MANIFEST),
    entries=st.lists(near(ENTRY), max_size=4),
)
def test_a_report_is_made_of_any_rows(rows, manifest, entries, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "any"
    (folder / "1/vis_data").mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "1/vis_data/scalars.json").write_text("".join(json.dumps(each) + "\n" for each in entries))
    (folder / "last.pth").touch()
    rows = [{**row, "label": f"{number} {row.get('label')}"} for number, row in enumerate(rows)]
    rows.append(GOOD | {"checkpoint": str(folder / "last.pth")})
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Odd)
        html, markdown = write_report([folder / "results.jsonl"], folder / "out", [folder])
    assert html.read_text().endswith("</html>\n") and markdown.read_text().endswith("|\n")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero to stand for a device")
def test_a_device_has_no_rows():
    """``/dev/zero`` never ends, and ``/dev/full`` neither."""
    assert results.read("/dev/zero") == []
