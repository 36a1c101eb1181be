"""tools/report.py as a user runs it: rows in, one HTML page and one Markdown file out."""

import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from distill.report import published, write_report
from distill.report.published import facts
from distill.results.rows import append, make_row, read
from distill.results.schema import Row

TOOL = Path(__file__).parents[2] / "tools/report.py"
VOID = {"meta", "col", "br", "line", "polyline", "link", "img"}


def report(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def results(tmp_path) -> Path:
    """Random, distilled (three seeds) and teacher on two tasks; the distilled checkpoint's run beside it."""
    file, run = tmp_path / "results.jsonl", tmp_path / "student"
    (run / "20260101_000000/vis_data").mkdir(parents=True)
    (run / "20260101_000000/vis_data/scalars.json").write_text(
        '{"loss": 4, "step": 1}\n{"loss": 2, "step": 9}\n'
    )
    (run / "manifest.json").write_text('{"command": "python tools/distill.py --method seed", "seed": 0}')
    (run / "last.pth").touch()
    models = (
        ("random", 10.0, "random:resnet18"),
        ("distilled", 30.0, run / "last.pth"),
        ("teacher", 40.0, "t.pth"),
    )
    for init, value, checkpoint in models:
        settings = {"val": {"folder": "/data/shapes/val"}, "image_size": 64}
        metrics = {"1nn": value, "20nn": value + 1}
        append(
            file, make_row("knn", f"<{init}>", init, "resnet18", 0, metrics, checkpoint, "", settings, 2.0)
        )
        for seed in range(3 if init == "distilled" else 1):
            metrics = {"mIoU": value + seed, "aAcc": 90.0}
            row = make_row("cityscapes_seg", init, init, "resnet18", seed, metrics, checkpoint, "", {}, 2.0)
            append(file, row | {"command": f"run --seed {seed} a&b"})
    return file


class Balanced(HTMLParser):
    """Fails on a tag that is closed out of turn."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.ids = [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [attributes[key] for key in ("href", "src") if key in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_command_writes_both_files_and_names_them(results, tmp_path):
    done = report(results, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(tmp_path / "out/report.html"), str(tmp_path / "out/report.md")]


def test_the_page_is_whole_and_needs_nothing_else(results, tmp_path):
    html, _ = write_report([results], tmp_path / "out")
    parser = Balanced()
    parser.feed(html.read_text())
    assert parser.open == []
    assert parser.links and all(link[0] == "#" and link[1:] in parser.ids for link in parser.links)
    assert not re.search(r"<script|@import|url\(|https?://", html.read_text())


def test_the_page_shows_numbers_differences_published_rows_commands_and_manifest(results, tmp_path):
    text = write_report([results], tmp_path / "out")[0].read_text()
    assert "31.0 ± 1.0" in text and "3 seeds" in text and "1 seed<" in text
    assert "+21.0" in text  # 31 - 10
    assert "OSS (NeurIPS 2021), Table 13" in text and "62.4" in text
    assert "run --seed 2 a&amp;b" in text
    assert "python tools/distill.py --method seed" in text
    assert "&lt;distilled&gt;" in text and "<distilled>" not in text
    assert 'class="curve s0"' in text and "Loss 4 to 2" in text


def test_the_markdown_table_holds_the_same(results, tmp_path):
    text = write_report([results], tmp_path / "out")[1].read_text()
    assert "| mIoU | 10.0 | 31.0 ± 1.0 (+21.0) | 40.0 (+30.0) |" in text
    assert "## OSS (NeurIPS 2021), Table 13" in text and "| OSS | 62.4 | 58.3 |" in text
    assert (
        "| distilled (ours: distilled, 3 seeds, data: unknown, unknown epochs, not 800) | 31.0 ± 1.0 |  |"
        in text
    )


HOSTILE = "<img src=x onerror=alert(1)> \"'& </script> | [a](b) *b* `c` _d_ ![e](f) ~~g~~ # \\\n## h </td>"
LONG = "<b>" + "long" * 1000


class Shown(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.parts = set(), []
        self.feed(html)
        self.text = "".join(self.parts)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, data):
        self.parts.append(data)


def of_text(text: str, **other) -> dict:
    """A row of which every text is the given one."""
    names, details = {"top1": text}, {"per_class": {text: 50.0, "b": 40.0}, "sweep": {text: 3.0}}
    settings = {"val": {"folder": text}, "image_size": text}
    row = make_row(
        text, text, text, text, 0, {"top1": 1.0}, text, text, settings, 1.0, title=text, headline="top1",
        names=names, data=text, details=details | other, figures={text: text}, command=text,
    )  # fmt: skip
    return row | {"time": text}


@pytest.fixture(params=[HOSTILE, LONG], ids=["markup", "4,000 letters"])
def hostile(request, tmp_path, monkeypatch) -> tuple[str, Path]:
    """Rows, one of a grid, and a published table whose every text tries to be markup or is very long."""
    text, file = request.param, tmp_path / "hostile.jsonl"
    append(file, of_text(text))
    append(file, of_text(text, grid={text: text, "b": 1}, grid_of=text))
    content = facts() | {"students": {text: text}, "sets": {text: text}, "readings": {text: text}}
    part = {"title": text, "given": {"data": text, "student": text, "teacher": text}}
    table = {
        "paper": text,
        "table": text,
        "title": text,
        "note": text,
        "given": {},
        "labels": [[text, "method"]],
    }
    table["columns"] = [part | {"columns": [[text, f"{text}:top1"]]}]
    table["groups"] = [part | {"rows": [[text, 1.0]]}]
    (tmp_path / "published.json").write_text(json.dumps(content | {"tables": [table]}))
    monkeypatch.setattr(published, "__file__", str(tmp_path / "published.py"))
    facts.cache_clear()
    yield text, file
    facts.cache_clear()


def test_text_of_rows_and_published_tables_is_never_html(hostile, tmp_path):
    text, file = hostile
    html = write_report([file], tmp_path / "out")[0].read_text()
    shown = Shown(html)
    assert not {"img", "b", "script"} & shown.tags
    assert shown.text.count(text.split()[0][:40]) > 20
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []


def test_text_of_rows_and_published_tables_is_never_markdown(hostile, tmp_path):
    """As a Markdown reader with tables, strike-through and raw HTML switched on shows it."""
    text, file = hostile
    markdown = write_report([file], tmp_path / "out")[1].read_text()
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    shown = Shown(reader.render(markdown))
    assert shown.tags == {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td"}
    assert shown.text.count(" ".join(text.split())) >= 5  # and as JSON, with its quotes escaped, in the grid


def test_a_long_label_is_cut_but_in_the_row_itself(tmp_path):
    append(tmp_path / "results.jsonl", of_text(LONG) | {"command": "short"})
    shown = Shown(write_report([tmp_path / "results.jsonl"], tmp_path / "out")[0].read_text())
    start = max(number for number, part in enumerate(shown.parts) if part == "Every row")
    assert 40 < max(len(part) for part in shown.parts[:start] if "longlong" in part) <= 800
    assert LONG in "".join(shown.parts[start:])


def test_rows_may_lack_everything_that_is_newer(results, tmp_path):
    """Rows of before: no title, kind, headline, names, training seed, data, details or figures."""
    old = tmp_path / "old.jsonl"
    for row in read(results):
        append(old, {key: row[key] for key in Row.__required_keys__})
    assert "31.0 ± 1.0" in write_report([old], tmp_path / "out")[0].read_text()


def test_pictures_categories_and_settings_tried_are_shown(tmp_path):
    Image.new("RGB", (3, 2), "red").save(tmp_path / "clusters.png")
    for label, values in (("one", {"cat": 10.0, "dog": 90.0}), ("two", {"cat": 50.0, "dog": 20.0})):
        details = {"per_class": values, "sweep": {"lr 0.3": 61.2}}
        figures = {"random clusters": "clusters.png", "gone": "gone.png"}
        row = make_row(
            "cluster_alignment", label, "distilled", "resnet18", 0, {"top1": 50.0}, "x", "", {}, 1.0
        )
        append(
            tmp_path / "results.jsonl", row | {"details": details, "figures": figures, "command": "run it"}
        )
    html = write_report([tmp_path / "results.jsonl"], tmp_path / "out")[0].read_text()
    assert html.count('<polyline class="curve') == 2  # one plot of both models
    assert html.count('src="data:image/png;base64,iVBOR') == 2
    assert 'alt="random clusters: one (distilled, resnet18)."' in html
    assert "Not there, or not a PNG" in html and "lr 0.3" in html and "61.2" in html
    assert re.search(
        r'<th scope="row">dog</th><td class="number">90.0</td><td class="number">20.0</td>', html
    )
    assert all("<pre>run it</pre>" in figure for figure in re.findall("<figure>.*?</figure>", html, re.S))


def test_pictures_say_themselves_what_they_show(results, tmp_path):
    said = PngInfo()
    for key, text in (("Title", "Clusters <b>"), ("Description", "Of ImageNet."), ("Comment", "draw it")):
        said.add_itxt(key, text)
    (tmp_path / "figures").mkdir()
    Image.new("RGB", (3, 2)).save(tmp_path / "figures/clusters.png", pnginfo=said)
    Image.new("RGB", (3, 2)).save(tmp_path / "silent.png")
    figures = [tmp_path / "figures", tmp_path / "silent.png"]
    html = write_report([results], tmp_path / "out", figures=figures)[0].read_text()
    assert 'alt="Clusters &lt;b&gt;. Of ImageNet."' in html and "<pre>draw it</pre>" in html
    assert "silent.png, which does not tell what it shows" in html


@pytest.mark.parametrize(
    ("name", "message"), [("none.png", "no PNG to be read"), (".", "no PNG in this folder")]
)
def test_what_is_no_picture_is_one_line(results, tmp_path, name, message):
    done = report(results, "--figures", tmp_path / name, "--out", tmp_path / "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert message in done.stderr and str(tmp_path / name) in done.stderr


def test_a_grid_is_a_curve_and_a_table(tmp_path):
    for temperature in (0.02, 0.04, 1.0):
        for seed, value in enumerate((40.0, 42.0)):
            name = f"t{temperature} seed {seed}"
            row = make_row("knn", name, "distilled", "resnet18", 0, {"1nn": value}, name, "", {}, 1.0)
            details = {"grid": {"model.temperature": temperature}, "grid_of": "compress_2q"}
            append(tmp_path / "results.jsonl", row | {"details": details, "training_seed": seed})
    html, markdown = write_report([tmp_path / "results.jsonl"], tmp_path / "out")
    (chart,) = re.findall(r"<svg role.*?</svg>", html.read_text())
    assert chart.count('<circle class="mark s0"') == 3 and chart.count('class="error s0"') == 3
    assert "over model.temperature, 2 training seeds" in html.read_text()
    assert "| 0.04 | 41.0 ± 1.4 |" in markdown.read_text()


def test_the_page_can_be_used_by_keyboard_and_screen_reader(results, tmp_path):
    """Tables have captions and scopes, charts names; what scrolls takes the focus; no heading is left out."""
    html = write_report([results], tmp_path / "out")[0].read_text()
    assert html.count("<table") == html.count("<caption")
    assert not re.search(r"<th(?![^>]*scope=)[ >]", html)
    assert all("aria-label" in svg or "aria-hidden" in svg for svg in re.findall(r"<svg[^>]*>", html))
    assert all(
        'role="region" tabindex="0" aria-label' in tag for tag in re.findall(r'<div class="wide"[^>]*>', html)
    )
    levels = [int(level) for level in re.findall(r"<h(\d)", html)]
    assert levels[0] == 1 and all(
        after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)
    )


def test_a_thousand_rows_take_less_than_20_seconds(tmp_path):
    """Four tasks, ten models, 25 seeds, every tenth row with a thousand categories: it takes one or two."""
    template = make_row("", "", "distilled", "resnet18", 0, {"top1": 50.0}, "x", "", {"image_size": 64}, 1.0)
    categories = {"per_class": {f"class {number}": number / 10 for number in range(1000)}}
    lines = []
    for number in range(1000):
        task = ("knn", "linear", "cluster_alignment", "mine")[number % 4]
        own = {"task": task, "label": f"model {number // 4 % 10}", "seed": number // 40, "details": {}}
        lines.append(json.dumps(template | own | ({"details": categories} if number % 10 == 0 else {})))
    (tmp_path / "results.jsonl").write_text("\n".join(lines))
    start = time.process_time()
    html, _ = write_report([tmp_path / "results.jsonl"], tmp_path / "out")
    assert time.process_time() - start < 20
    assert "25 seeds" in html.read_text()


def test_numbers_that_cannot_be_drawn_are_no_obstacle(tmp_path):
    values = (float("nan"), float("inf"), -5.0, 150.0)
    for number, value in enumerate(values):
        grid = {"grid": {"a": value}} if number % 2 else {}
        details = {"per_class": {"cat": value, "dog": None}, "sweep": {"lr 1": {}}} | grid
        metrics = {} if number == 3 else {"1nn": number, "20nn": 1.0}
        row = make_row(
            "knn", f"m{number}", "random", "resnet18", 0, metrics, "x", "", {}, 1.0, details=details
        )
        append(tmp_path / "results.jsonl", row)
    assert "150.00" not in write_report([tmp_path / "results.jsonl"], tmp_path / "out")[0].read_text()


def test_a_torn_last_line_is_passed_over(results, tmp_path):
    with results.open("a") as file:
        file.write('{"task": "kn')
    with pytest.warns(UserWarning, match="not whole JSON"):
        assert write_report([results], tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such results file"),
        ("", "no result rows in"),
    ],
)
def test_unusable_results_are_one_line_and_leave_nothing(tmp_path, content, message):
    file = tmp_path / "results.jsonl"
    if content is not None:
        file.write_text(content)
    done = report(file, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert message in done.stderr and str(file) in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
