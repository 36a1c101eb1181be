"""tools/report.py as a user runs it: rows in, one HTML page and one Markdown file out."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from distill.report import write_report
from distill.results.rows import append, make_row

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


HOSTILE = "<img src=x onerror=alert(1)> & | [a](b) *b* `c` _d_ ![e](f) ~~g~~ # \\\n## h </td>"


class Shown(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A row whose every text tries to be markup."""
    names = {"top1": HOSTILE}
    row = make_row(
        HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0, {"top1": 1.0}, HOSTILE, HOSTILE,
        {"val": {"folder": HOSTILE}, "image_size": HOSTILE}, 1.0, title=HOSTILE, headline="top1", names=names,
    )  # fmt: skip
    append(tmp_path / "hostile.jsonl", row | {"time": "<b>2026"})
    return tmp_path / "hostile.jsonl"


def test_text_of_rows_is_never_html(hostile, tmp_path):
    shown = Shown(write_report([hostile], tmp_path / "out")[0].read_text())
    assert not {"img", "b"} & shown.tags
    assert "<b>2026" in shown.text and shown.text.count("<img src=x onerror=alert(1)>") > 5


def test_text_of_rows_is_never_markdown(hostile, tmp_path):
    """As a Markdown reader with tables, strike-through and raw HTML switched on shows it."""
    text = write_report([hostile], tmp_path / "out")[1].read_text()
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    shown = Shown(reader.render(text))
    assert shown.tags == {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td"}
    one_line = " ".join(HOSTILE.split())
    assert shown.text.count(one_line) == 7  # heading, data, size, metric; init, label, backbone


def test_a_torn_last_line_is_passed_over(results, tmp_path):
    with results.open("a") as file:
        file.write('{"task": "kn')
    with pytest.warns(UserWarning, match="not a whole row"):
        assert write_report([results], tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such results file"), ("", "no result rows in"), ('{"task": "knn"}\n', "row 1 lacks label")],
)
def test_unusable_results_are_one_line_and_leave_nothing(tmp_path, content, message):
    file = tmp_path / "results.jsonl"
    if content is not None:
        file.write_text(content)
    done = report(file, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert message in done.stderr and str(file) in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
