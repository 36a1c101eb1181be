"""The site of ``docs/``: it is made without a warning, and a method or benchmark has its page by itself."""

import ast
import html
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from distill.engine.config_root import config_root
from distill.engine.recipe import method_names
from distill.evaluation import evaluators_by_name
from distill.registry import MODELS
from tests.test_documentation import blocks, commands, parse
from transfer.benchmark import benchmarks

ROOT = Path(__file__).parents[1]
TOOL = ROOT / "tools/build_docs.py"


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """The folder with ``pages`` and ``site``, made once."""
    out = tmp_path_factory.mktemp("docs")
    done = subprocess.run([sys.executable, TOOL, "--out", out], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{out}/site/index.html\n", "")
    return out


def text_of(page: Path) -> str:
    """What a reader sees of an HTML page."""
    shown = re.sub(r"<(script|style)\b.*?</\1>", "", page.read_text(), flags=re.DOTALL)
    words = re.sub(r"<[^>]+>", "", shown)
    return " ".join(html.unescape(words).replace("’", "'").replace("“", '"').replace("”", '"').split())


def first_line(docstring: str) -> str:
    """The first line of a docstring, without the marks of code."""
    return docstring.strip().splitlines()[0].replace("``", "")


def command_on(page: Path) -> str:
    """The first command of a page in Markdown, which the tool takes."""
    command = next(call for _, text in blocks(page.read_text()) for call in commands(text))
    parse(command)
    return command


@pytest.mark.parametrize("method", method_names())
def test_a_method_has_its_page(out, method):
    from mmengine.config import Config

    kind = MODELS.get(Config.fromfile(config_root() / "_base_" / f"{method}.py").model.type)
    shown = text_of(out / f"site/method/{method}.html")
    assert first_line(kind.__doc__) in shown
    assert command_on(out / f"pages/method/{method}.md").startswith(f"tools/distill.py --method {method} ")


@pytest.mark.parametrize("benchmark", benchmarks().values(), ids=lambda one: one.name)
def test_a_benchmark_has_its_page(out, benchmark):
    docstring = ast.get_docstring(ast.parse(benchmark.config.read_text()))
    shown = text_of(out / f"site/benchmark/{benchmark.name}.html")
    assert first_line(docstring) in shown and benchmark.title in shown
    command = command_on(out / f"pages/benchmark/{benchmark.name}.md")
    assert command.startswith(f"tools/run_transfer.sh {benchmark.name} ")


@pytest.mark.parametrize("protocol", evaluators_by_name())
def test_a_protocol_has_its_page(out, protocol):
    shown = text_of(out / f"site/protocol/{protocol}.html")
    assert first_line(evaluators_by_name()[protocol].__doc__) in shown
    assert command_on(out / f"pages/protocol/{protocol}.md").endswith(f"--protocols {protocol}")


def test_names_are_found_by_search_and_in_the_api(out):
    index = (out / "site/searchindex.js").read_text()
    api = {page.stem: text_of(page) for page in (out / "site/api").glob("*.html")}
    assert all(name in index for name in ("compress_1q", "voc07_det", "compress_loss"))
    assert "pretrain" in api["distill"] and "temperature: float = 0.04" in api["distill.losses"]
    assert "Raises: UserError" in api["distill.backbones"] and "Method" in api["distill.methods"]


def test_no_page_names_this_machine(out):
    pages = [page for page in (out / "site").rglob("*") if page.suffix in (".html", ".js")]
    assert len(pages) > 60
    assert not [page for page in pages if str(ROOT) in page.read_text() or str(out) in page.read_text()]


def test_a_link_to_a_source_file_shows_it(out):
    assert 'href="source/tools/compare_methods.py.html"' in (out / "site/comparison.html").read_text()
    assert "def parser()" in text_of(out / "site/source/tools/compare_methods.py.html")


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("[there](other.md#begin)", None),
        ("[there](other.md#no-such-heading)", "no-such-heading"),
        ("[there](no_such_page.md)", "no_such_page"),
        ("[there](#no-such-heading)", "no-such-heading"),
        ("![picture](no_such.png)", "no_such.png"),
    ],
)
def test_a_link_that_leads_nowhere_is_an_error(tmp_path, capfd, text, wrong):
    spec = importlib.util.spec_from_file_location("build_docs", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    pages = tmp_path / "pages"
    tool.write(pages / "index.md", f"# Index\n\n{text}\n\n```{{toctree}}\nother\n```\n")
    tool.write(pages / "other.md", "# Other\n\n## Begin\n")
    failed = tool.run_sphinx(pages, tmp_path / "site")
    said = capfd.readouterr().err
    assert failed == bool(wrong) and (wrong or "") in said
