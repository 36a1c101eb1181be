"""Text in another language (Python, YAML, HTML, Markdown, shell) with any string in it.

Each kind is read by a reader of its own language: it gives back the very string, or a shown form of it, in
the structure that a harmless string has; and nothing in it runs.
"""

import ast
import copy
import json
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from mmengine.config import Config
from PIL import Image

from distill import results
from distill.checkpoints import random_weights
from distill.data.label_lists import given_list, label_list, names_of
from distill.demo.world import write_demo
from distill.engine.config_files import read_config
from distill.engine.config_text import config_text
from distill.engine.options import parse_options
from distill.errors import UserError, explain
from distill.evaluation import list_labelled
from distill.report import write_report
from distill.report.write import visible
from transfer.frameworks import FRAMEWORKS
from transfer.frameworks.openmmlab.fill import as_text
from transfer.jobs.run_teacher import teacher_of
from transfer.network.converted import ConvertedBackbone
from transfer.network.partition import StagedBackbone
from transfer.network.plain_resnet import resnet_layout
from transfer.network.policy import Policy

ROOT = Path(__file__).resolve().parents[2]
MARK = "broken-by-text"  # a file that every piece of code below would make
PIECES = [
    "'", '"', "'''", '"""', "\\", "\\'", "\n", "\r", "\x85", "\u2028", "\u2029", "\x0b", "\x1c", "\t", " ",
    "{", "}", "{{", "}}", "{0}", "{{ fileDirname }}", "{{fileBasename}}", "{{$HOME:x}}", "{{_base_.model}}",
    "{% if a %}", "${oc.env:HOME}", "${", "\\${a}", f"$(touch {MARK})", f"`touch {MARK}`",
    f"; touch {MARK} #", "$HOME", "&&", f"\nopen('{MARK}', 'w')\n", f"'); open('{MARK}', 'w'); ('",
    f"' + open('{MARK}', 'w') + '", "#", "# noqa", f"!!python/object/apply:os.system ['touch {MARK}']",
    "- a: &b", ": ", "%", "---", "...", "<<: *b", "null", "~", "</script>", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "-->", "<!--", "]]>", "&amp;", "&#60;", "|", "| a | b |", "`", "```",
    "*b*", "_c_", "~~d~~", "[e](f)", "![g](h)", "# i", "> j", "1. k", "$l$", "===", "\x00", "\x1b[31m",
    "\x7f", "\ufeff", "\u202e", os.fsdecode(b"\xff\xfe"), "\ud800", "Größe Ёлка 图 🙂", "x" * 4000,
]  # fmt: skip
STRINGS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=5).map("".join)
IN_FILE_NAMES = STRINGS.map(lambda text: "a" + text.replace("/", "").replace("\x00", "")[:60])


def property_of(examples: int = 100, **what):
    """Tries that many, always the same ones."""
    always = settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    return lambda test: always(given(**what)(test))


@pytest.fixture(autouse=True, scope="module")
def nothing_runs(tmp_path_factory):
    """Whatever is read and run below, no piece of code in a string was."""
    folder = tmp_path_factory.mktemp("text")
    before = os.getcwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)
    assert not list(folder.rglob(MARK)) and not (ROOT / MARK).exists()


VALUES = st.recursive(
    STRINGS | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(STRINGS.filter(lambda key: key not in ("_delete_", "_base_")), inner, max_size=3),
    max_leaves=6,
)


@property_of(value=VALUES)
def test_a_runs_config_gives_back_its_settings(value):
    wanted = {"model": {"type": "SimCLR", "x": value}, "work_dir": value}
    try:
        text = config_text(Config(copy.deepcopy(wanted)))
    except KeyError as error:  # mmengine's dicts have no such keys
        assume("has no attribute" not in str(error))
        raise
    Path("config.py").write_text(text)
    assert read_config("config.py").to_dict() == wanted
    assert all(type(node) is ast.Assign for node in ast.parse(text).body)


@pytest.mark.parametrize("value", [object(), {1, 2}, torch.ones(1), ast], ids="a b c d".split())
def test_what_no_config_can_hold_is_one_line(value):
    with pytest.raises(UserError, match=r"config key model\.a\.0 is .*; valid: numbers, texts"):
        config_text(Config({"model": {"a": [value]}}))


@property_of(arch=STRINGS, weights=STRINGS, examples=30)
def test_the_teacher_of_a_run_is_told_by_its_config(arch, weights):
    model = {"type": "SimCLR", "teacher": {"weights": weights, "arch": arch, "further": 3}}
    Path("config.py").write_text(config_text(Config({"model": model})))
    assert teacher_of("last.pth") == (weights, arch)


@property_of(text=STRINGS, others=st.lists(STRINGS, max_size=3))
def test_a_benchmarks_config_gives_back_paths_and_classes(text, others):
    wanted = {"work_dir": text, "data": {"metainfo": {"classes": (text, *others)}, "data_root": text}}
    wanted["ranges"] = [(-math.inf, 64.0), (64.0, math.inf)]
    Path("filled.py").write_text(as_text(Config(copy.deepcopy(wanted))))
    assert Config.fromfile("filled.py").to_dict() == wanted


@property_of(text=STRINGS)
def test_detectron2s_config_gives_back_paths_and_classes(text):
    pytest.importorskip("detectron2")
    from detectron2.config import LazyCall, LazyConfig, instantiate
    from omegaconf import OmegaConf

    from transfer.frameworks.detectron2.fill import plain

    try:
        plain(text)
    except UserError as error:
        assert re.search("[\x85\u2028\u2029]", text) and "cannot hold" in str(error)
        return
    call = LazyCall(SimpleNamespace)(root=plain(text), classes=[plain(plain(text))])
    LazyConfig.save(OmegaConf.create({"data": call}), "config.yaml")
    found = instantiate(LazyConfig.load("config.yaml").data)
    assert (found.root, list(found.classes)) == (text, [text])


@pytest.fixture(scope="module")
def backbones():
    return {False: StagedBackbone("resnet18"), True: StagedBackbone("resnet50")}


def exported(backbones, name: str, native: bool, arch: str, file: str, source: str) -> dict[str, str]:
    backbone = copy.copy(backbones[native])
    layout = resnet_layout(backbone.state_dict(), "resnet50") if native else None
    backbone.arch = arch
    weights = replace(random_weights("test_resnet", 0), path=source)
    told = ConvertedBackbone(backbone, Policy(norm="SyncBN"), Path(file), weights, layout)
    return FRAMEWORKS[name].part("export").configs(told)


def shape(text: str, end: str, names: dict[str, str]) -> object:
    """A file as its language reads it, with strings replaced."""
    if end.endswith(".md"):
        return rendered(text).places
    if end.endswith((".yaml", ".json")):
        return json.loads(json.dumps(yaml.safe_load(text)), object_hook=lambda found: {
            key: names.get(value, value) if isinstance(value, str) else value for key, value in found.items()
        })  # fmt: skip
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = names.get(node.value, node.value)
    return ast.dump(tree)


@pytest.mark.parametrize("native", [False, True], ids=["adapter", "native"])
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_conversion_holds_names_as_strings_alone(name, native, backbones):
    if native and not FRAMEWORKS[name].part("export").HAS_OWN_RESNET:
        pytest.skip("has one kind of network")

    @property_of(arch=STRINGS, file=IN_FILE_NAMES, source=STRINGS, examples=10)
    def holds(arch, file, source):
        plain = exported(backbones, name, native, "ARCH", "/FOLDER/FILE", "SOURCE")
        found = exported(backbones, name, native, arch, f"/{file}", source)
        assert plain.keys() == found.keys()
        told = {"ARCH": arch, "FILE": file, "/FOLDER/FILE": f"/{file}"}
        for end, text in found.items():
            text.encode()  # as it is written
            assert shape(text, end, {}) == shape(plain[end], end, told)

    holds()


class Tree(HTMLParser):
    """Where tags and their attributes stand in one another, and the text."""

    VOID = {"meta", "col", "br", "line", "polyline", "link", "img"}

    def __init__(self, html: str):
        super().__init__()
        self.open, self.places, self.parts, self.tags = [], set(), [], []
        self.feed(html)
        self.close()
        self.text = "".join(self.parts)

    def handle_starttag(self, tag, attributes):
        self.places.add((*self.open, tag, *sorted(name for name, _ in attributes)))
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag in self.VOID or self.open.pop() == tag

    def handle_data(self, data):
        self.parts.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data):
        raise AssertionError(f"an instruction: {data}")

    def unknown_decl(self, data):
        raise AssertionError(f"a declaration: {data}")


STRUCTURE = ("h1", "h2", "h3", "table", "tbody", "tr", "th", "td", "figure", "details", "p", "a", "pre")


def of_text(text: str, **other) -> dict:
    """A row of which every text is the given one."""
    details = {"per_class": {text: 50.0, f"b{text}": 40.0}, "sweep": {text: 3.0}}
    own = {"val": {"folder": text}, "image_size": text, text: {text: text}}
    row = results.make_row(
        text, text, text, text, 0, {"top1": 1.0, f"a{text}": 2.0}, text, text, own, 1.0, title=text,
        kind=text, headline="top1", names={"top1": text, f"a{text}": text}, data=text, figures={text: text},
        details=details | other, command=text,
    )  # fmt: skip
    return row | {"time": text, "mine": text, "versions": {text: text}, "git": text}


def report_of(text: str, folder: Path) -> tuple[str, str]:
    """Both files of rows and a run of which every text is the given one."""
    run = folder / "run"
    (run / "1/vis_data").mkdir(parents=True, exist_ok=True)
    (run / "last.pth").touch()
    config = config_text(Config({"model": {"teacher": {"weights": text}}, "train_cfg": {"max_epochs": text}}))
    (run / "manifest.json").write_text(json.dumps(
        {"command": text, "config": config, text: text, "data": {"root": text}}
    ))  # fmt: skip
    (run / "1/vis_data/scalars.json").write_text('{"loss": 4, "step": 1}\n{"loss": 2, "step": 9}\n')
    grid = of_text(text, grid={text: text, "b": 1}, grid_of=text)
    rows = [of_text(text), of_text(text) | {"checkpoint": str(run / "last.pth"), "label": f"b{text}"}, grid]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    html, markdown = write_report([folder / "rows.jsonl"], folder / "out")
    return html.read_text(), markdown.read_text()


def rendered(markdown: str) -> Tree:
    """As a Markdown reader with tables, strike-through and raw HTML shows it."""
    return Tree(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))


@pytest.fixture(scope="module")
def harmless(nothing_runs) -> list[tuple[Tree, Tree]]:
    """Reports of harmless texts, short and long, of one word and of many."""
    texts = ("xx", "x" * 4000, "xxx yyy " * 30, "xx yy")
    return [(Tree(html), rendered(text)) for html, text in (report_of(each, nothing_runs) for each in texts)]


@property_of(text=STRINGS.map("x".__add__), examples=25)
def test_a_report_has_the_structure_of_one_of_harmless_rows(harmless, nothing_runs, text):
    html, markdown = report_of(text, nothing_runs)
    for found, plain in zip((Tree(html), rendered(markdown)), zip(*harmless, strict=True), strict=True):
        assert found.open == []
        assert found.places <= set().union(*(tree.places for tree in plain))
        for tag in STRUCTURE:
            assert found.tags.count(tag) in {tree.tags.count(tag) for tree in plain}, tag
        assert visible(" ".join(text.split())[:30]) in found.text


def test_the_shell_gets_back_the_words_of_a_command(monkeypatch):
    """Of rows, manifests and the lines that tools print to be repeated, by bash and by sh."""
    words = [piece for piece in [*PIECES, *map("".join, zip(PIECES, PIECES[1:]))] if "\x00" not in piece]  # noqa: B905
    words = [word for word in words if "\ud800" not in word]  # which no argument of a process can hold
    monkeypatch.setattr(sys, "argv", ["tools/x.py", *words])
    command = results.make_row("knn", "x", "random", "x", 0, {}, "", "", {}, 1.0)["command"]
    for shell in ("bash", "sh"):
        script = os.fsencode(f"set -- {command}\nprintf '%s\\0' \"$@\"\n")
        done = subprocess.run([shell], input=script, capture_output=True)
        assert done.stderr == b"" and done.stdout.split(b"\0")[2:-1] == list(map(os.fsencode, words))


SWEEP = runpy.run_path(str(ROOT / "tools/sweep.py"))
GRID = SWEEP["parser"]().parse_args(["c.py", "--grid", "a=1", "--data", "d", "--out", "o"])


@property_of(value=VALUES, key=st.sampled_from(["a", "model.temperature"]))
def test_a_sweep_hands_on_the_values_of_its_grid(value, key):
    assume("inf" not in repr(value))  # Python has no literal for it
    command = SWEEP["train_command"](GRID, SWEEP["Cell"]({key: value}, 0, Path("cell")))
    assert parse_options([command[command.index("--cfg-options") + 1]]) == {key: value}
    assert len(SWEEP["digest"](value, 0, ["c.py"])) == 8


@property_of(text=STRINGS)
def test_a_mistake_is_one_line_whatever_it_names(text):
    line, code, expected = explain(UserError(f"no such file: {text}"))
    assert code == 2 and expected and len(line.splitlines()) <= 1


def test_a_list_of_labels_names_any_picture():
    folder = Path("labelled")
    pieces = [piece[:80].replace("/", "") for piece in PIECES if piece not in ("\x00", "\ud800")]
    names = sorted({f"a{piece}" for piece in pieces})
    for number, name in enumerate(names):
        place = folder / ("cat" if number % 2 else "d'o\ng")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(place / f"{name}.png")
    images = list_labelled(folder)
    Path("lists").mkdir()
    made = label_list(images, "10%", {}, 0, "lists")
    assert given_list(made.file, images).rows.tolist() == made.rows.tolist()
    everything = Path("everything.txt")
    everything.write_text("".join(f"{name}\n" for name in names_of(images)))
    assert len(given_list(everything, images).rows) == len(images) == len(names)


NAME = f"a b'\"\n$(touch {MARK})`touch {MARK}`{{{{ fileDirname }}}}${{oc.env:HOME}}\\|<b>-->"
NO_UTF_8 = os.fsdecode(b"\xff")


def test_a_run_a_report_and_a_plan_in_folders_of_any_name(image_folder, nothing_runs, run_tool, run_here):
    """The run's config repeats it bit for bit, and what the run tells is shown."""
    data, work = nothing_runs / f"data {NAME}{NO_UTF_8}", nothing_runs / f"run {NAME}"
    shutil.copytree(image_folder, data)
    call = ("--method", "simclr", "--data", data, "--student", "test_resnet", "--image-size", 32)
    call += ("--epochs", 1, "--batch-size", 8, "--workers", 0, "--lr", 0.01)
    line = run_here("distill.py", *call, "--work-dir", f"{work}{NO_UTF_8}", code=2)
    assert "not UTF-8, which TensorBoard's files need" in line and line.count("\n") == 1
    done = run_tool("distill.py", *call, "--work-dir", work)
    assert done.returncode == 0 and "Logging error" not in done.stderr, done.stderr
    run_here("distill.py", work / "config.py")
    runs = (torch.load(f"{run}/last.pth", weights_only=True) for run in (work, f"{work}-2"))
    first, again = (run["backbone"] for run in runs)
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    label, file = f"{work.name}{NO_UTF_8}", work / "results.jsonl"
    row = results.make_row("knn", label, "distilled", "x", 0, {"1nn": 1.0}, work / "last.pth", "", {}, 1)
    results.append(file, row)
    run_here("report.py", file, "--out", work / "report")
    html = Tree((work / "report/report.html").read_text())
    assert html.open == [] and not {"b", "script"} & set(html.tags) and "$(touch" in html.text
    demo = write_demo(nothing_runs / f"demo {NAME}{NO_UTF_8}", n_classification=(10, 10), n_scenes=(8, 2))
    plan = ["voc12_seg", work / "last.pth", "--dry-run", "--gpus", "0", "--data-root", demo]
    plan += ["--work-dir", f"{nothing_runs}/transfer {NAME}{NO_UTF_8}", "--seeds", "1"]
    done = subprocess.run(
        ["bash", ROOT / "tools/run_transfer.sh", *plan],
        capture_output=True, text=True, errors="replace", env=os.environ | {"PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0 and "plan: 1 run in 1 cell" in done.stdout, done.stderr
