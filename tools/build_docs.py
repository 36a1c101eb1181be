#!/usr/bin/env python
"""Makes the site of docs/: its pages, one a method, benchmark and protocol, and the API, with Sphinx.

  python tools/build_docs.py --out build      writes build/site and says which file to open

``build/pages`` is what Sphinx reads.
Pages about one method or benchmark are made of what it declares: its docstrings and its config. A new one has
its page without another edit. Any warning, as of a link that leads nowhere, is an error: exit code 1.
"""

import argparse
import ast
import os
import re
import shutil
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from distill.errors import run_cli  # noqa: E402

DOCS = ROOT / "docs"
GUIDES = {  # heading in the sidebar -> its pages, in their order; a page that is missing here comes last
    "Start": ("tutorial", "gallery", "proof"),
    "Guides": ("data", "methods", "comparison", "evaluation", "conversion", "transfer", "clusters"),
    "Reference": ("settings", "results", "api/index"),
}
API = (
    "distill", "distill.methods", "distill.losses", "distill.modules", "distill.targets", "distill.backbones",
    "distill.checkpoints", "distill.data", "distill.evaluation", "distill.report", "transfer.network",
    "transfer.convert", "transfer.benchmark",
)  # fmt: skip
LANGUAGES = {".py": "python", ".sh": "bash", ".json": "json"}
CODE = re.compile(r"(^```.*?^```|^ {4}.*?$|``.+?``|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
FACTS = r"^((?:Ours|MMDetection's|MMSegmentation's|Cost|Measured here|Published)(?: \(.*?\))?:)"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", metavar="DIR", default="build", help="folder to write to (default: build)")
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> int:
    out = Path(parser().parse_args().out)
    pages, site = out / "pages", out / "site"
    for folder in (pages, site):
        shutil.rmtree(folder, ignore_errors=True)
    lay_out(pages)
    failed = run_sphinx(pages, site)
    if not failed:
        print(site / "index.html")
    return failed


def run_sphinx(pages: Path, site: Path) -> int:
    """Makes ``site`` of ``pages``; the exit code, which is 1 after any warning."""
    from sphinx.cmd.build import main as sphinx

    options = ("-q", "-W", "--keep-going", "-b", "html", "-c", DOCS, "-d", site / ".doctrees")
    failed = sphinx([*map(str, options), str(pages), str(site)])
    shutil.rmtree(site / ".doctrees", ignore_errors=True)
    return failed


def lay_out(pages: Path) -> None:
    """Writes all pages into the folder ``pages``, in Markdown."""
    made = {
        "method": method_pages(),
        "benchmark": benchmark_pages(),
        "protocol": protocol_pages(),
        "api": api_pages(),
    }
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("conf.py", "site.css", "*.sh", "*.py"))
    for kind, texts in made.items():
        for name, text in texts.items():
            write(pages / kind / f"{name}.md", text)
    overviews = {"methods": "method", "transfer": "benchmark", "evaluation": "protocol"}
    for path in sorted(DOCS.rglob("*.md")):
        page, text = path.relative_to(DOCS), path.read_text()
        kind = overviews.get(page.with_suffix("").as_posix())
        if kind:
            text = link_first_cells(text, kind, made[kind]) + contents([f"{kind}/*"])
        write(pages / page, relink(text, path, page, pages))
    readme = ROOT / "README.md"
    write(pages / "index.md", relink(readme.read_text(), readme, Path("index.md"), pages) + sidebar())


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# what is written by hand


def relink(text: str, path: Path, page: Path, pages: Path) -> str:
    """Markdown whose links hold on the site: a source file that one leads to gets a page that shows it.

    Args:
        path: the file that ``text`` is from.
        page: where it will be in the folder ``pages``.
    """

    def link(match: re.Match) -> str:
        target, _, anchor = match[1].partition("#")
        if not target or ":" in target:
            return match[0]
        found = Path(os.path.normpath(path.parent / target))
        if found == ROOT / "README.md":
            goal = Path("index.md")
        elif found.is_relative_to(DOCS):
            goal = found.relative_to(DOCS)
        elif found.is_file() and found.is_relative_to(ROOT):
            goal = Path("source", f"{found.relative_to(ROOT)}.md")
            write(pages / goal, source_page(found))
        else:
            return match[0]  # Sphinx will say that it is not there
        scheme = "site:" if goal.suffix == ".html" else ""
        return f"]({scheme}{os.path.relpath(goal, page.parent)}{'#' if anchor else ''}{anchor})"

    return outside_code(text, lambda piece: re.sub(r"\]\(([^)\s]+)\)", link, piece))


def link_first_cells(text: str, folder: str, names: Iterable[str]) -> str:
    """Names in code type in the first column of a table become links to their pages."""

    def cell(match: re.Match) -> str:
        known = re.compile(rf"`({'|'.join(names)})`(?!\])")
        return known.sub(rf"[`\1`]({folder}/\1.md)", match[0])

    return re.sub(r"^\|[^|]+\|", cell, text, flags=re.MULTILINE)


def sidebar() -> str:
    """The site's contents."""
    named = {page for group in GUIDES.values() for page in group}
    more = sorted({path.stem for path in DOCS.glob("*.md")} - named)
    groups = {**GUIDES, "More": [*more, "results/report"]}
    shown = {title: [page for page in group if page.startswith(("api", "results/")) or exists(page)]
             for title, group in groups.items()}  # fmt: skip
    return "".join(contents(group, title) for title, group in shown.items())


def exists(page: str) -> bool:
    return (DOCS / f"{page}.md").is_file()


def contents(pages: Iterable[str], title: str = "") -> str:
    lines = ["", "", "```{toctree}", ":hidden:", ":glob:", *([f":caption: {title}"] if title else []), ""]
    return "\n".join([*lines, *pages, "```", ""])


def source_page(path: Path) -> str:
    name = path.relative_to(ROOT).as_posix()
    return f"---\norphan: true\n---\n# `{name}`\n\n{fenced(path.read_text(), path.suffix)}"


# what is made of declarations


def method_pages() -> dict[str, str]:
    """Name -> page of each method that has settings in ``configs/_base_``."""
    from mmengine.config import Config

    from distill.engine.config_root import config_root
    from distill.engine.recipe import method_names
    from distill.registry import MODELS

    overview = rows((DOCS / "methods.md").read_text())
    runs: dict[str, list[Path]] = {}
    for path in sorted(config_root().glob("*/*.py")):
        runs.setdefault(base_of(path), []).append(path)
    pages, shown = {}, set()
    for name in method_names():
        path = config_root() / "_base_" / f"{name}.py"
        kind = MODELS.get(Config.fromfile(path).model.type)
        base = base_of(path)
        inherits = f" over those of [`{base}`]({base}.md)" if base in method_names() else ""
        pages[name] = "\n".join([
            f"# `{name}`", "",
            *(f"- **{title}**: {cell}" for title, cell in overview.get(name, ())), "",
            fenced(command(name, kind), ".sh"),
            "## What it does", "", described(kind, kind not in shown),
            "## Settings", "", as_markdown(docstring(path)), "",
            f"`configs/_base_/{name}.py`{inherits}:", "", code_of(path),
            *(["## Whole runs", ""] if name in runs else []),
            *(f"### `{run.stem}`\n\n{as_markdown(docstring(run))}\n" for run in runs.get(name, ())),
        ])  # fmt: skip
        shown.add(kind)
    return pages


def command(method: str, kind: type) -> str:
    """How ``tools/distill.py`` runs a method on one's own pictures."""
    from distill.targets import Need
    from distill.targets.sources import source_of

    source = source_of(kind.needs)
    teacher = [source.flag] if source else []
    cache = ["--teacher-cache CACHE"] if Need.ALL_IMAGES in kind.needs else []
    start = f"python tools/distill.py --method {method} --data DIR"
    return " ".join([start, *teacher, *cache, "--student resnet18"])


def benchmark_pages() -> dict[str, str]:
    """Name -> page of each transfer benchmark."""
    from transfer.benchmark import benchmarks

    pages = {}
    for name, one in benchmarks().items():
        facts = {
            "Framework": one.framework,
            "Settings from": one.source,
            "Seeds": one.seeds,
            "Images in a split": one.split_size,
            "Metric shown first": f"`{one.headline}`",
        }
        pages[name] = "\n".join([
            f"# `{name}`", "", f"**{one.title}**", "", as_markdown(docstring(one.config)), "",
            *(f"- **{fact}**: {value}" for fact, value in facts.items() if value is not None), "",
            beside_source(name),
            "## Config", "", f"`configs/transfer/{one.framework}/{name}.py`", "", code_of(one.config),
        ])  # fmt: skip
    return pages


def protocol_pages() -> dict[str, str]:
    """Name -> page of each evaluation protocol."""
    from distill.data import sets
    from distill.evaluation import evaluators_by_name
    from distill.results.protocol import declared

    several = {name for name, one in sets.declared().items() if one.several}
    pages, evaluators = {}, evaluators_by_name()
    for name, one in declared().items():
        images = "--data-root DIR" if one.sets and several.issuperset(one.sets) else "--data ROOT"
        metrics = ", ".join(f"`{metric}` ({read})" for metric, read in one.metrics.items())
        source = ", ".join(filter(None, (one.paper, one.tables)))
        known = ", ".join(f"`{each}`" for each in one.sets)
        facts = {"Metrics, in percent": metrics, "From": source, "Reported on": known}
        pages[name] = "\n".join([
            f"# `{name}`", "", f"**{one.title}**: {one.about}.", "",
            *(f"- **{fact}**: {value}" for fact, value in facts.items() if value), "",
            fenced(f"python tools/evaluate.py work_dirs/RUN/last.pth {images} --protocols {name}", ".sh"),
            beside_source(name), "## Settings", "", described(evaluators[name], True),
        ])  # fmt: skip
    return pages


def api_pages() -> dict[str, str]:
    """Name -> page of each package of ``API``: what it exports, else all that is public in its modules."""
    pages = {"index": "\n".join(["# API", "", *(f"- [`{name}`]({name}.md): {said(name)}" for name in API)])}
    pages["index"] += contents(API)
    for name in API:
        package = import_module(name)
        path = getattr(package, "__path__", ())
        text = [f"# `{name}`", ""]
        if name == "distill":
            text += [rst("automodule:: distill"), rst("autofunction:: distill.pretrain")]
        elif hasattr(package, "__all__"):
            own = [each for each in package.__all__ if owner(getattr(package, each), name).startswith(name)]
            text += [rst(f"automodule:: {name}", f"members: {', '.join(own)}", "imported-members")]
        else:
            text += [rst(f"automodule:: {name}", "members")]
            modules = [each.name for each in iter_modules(path)]
            # the others of this one are the methods, which have pages of their own
            for each in ("base", "fitting") if name == "distill.methods" else modules:
                text += [f"## `{each}`", "", rst(f"automodule:: {name}.{each}", "members")]
        if name == "distill.methods":
            text += ["", "Each method has [a page of its own](../methods.md)."]
        pages[name] = "\n".join(text) + "\n"
    return pages


def owner(thing: object, package: str) -> str:
    """The module that defines what a package exports: another package's has its entry there."""
    return getattr(thing, "__module__", package)


def said(module: str) -> str:
    """The first line of a module's docstring."""
    return as_markdown(import_module(module).__doc__.splitlines()[0])


def described(kind: type, index: bool) -> str:
    """A class with its docstring; ``index``: it is what other pages link to."""
    return rst(f"autoclass:: {kind.__module__}.{kind.__name__}", *([] if index else ["no-index"]))


def rst(directive: str, *options: str) -> str:
    """A directive; options are ``name`` or ``name: value``."""
    given = (f"   :{name}:{value}" for name, _, value in (option.partition(":") for option in options))
    return "\n".join(["```{eval-rst}", f".. {directive}", *given, "```", ""])


def beside_source(name: str) -> str:
    known = re.search(rf"^### `{name}`$", (DOCS / "settings.md").read_text(), re.MULTILINE)
    return f"Each setting beside its source: [settings](../settings.md#{name}).\n" if known else ""


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def code_of(path: Path) -> str:
    """A config without its docstring, which the page shows as text."""
    first = ast.parse(path.read_text()).body[0]
    start = first.end_lineno if isinstance(first, ast.Expr) else 0
    return fenced("\n".join(path.read_text().splitlines()[start:]).strip(), path.suffix)


def base_of(path: Path) -> str:
    """The stem of the config that a config inherits from."""
    found = re.search(r'^_base_ = "(?:.*/)?(\w+)\.py"', path.read_text(), re.MULTILINE)
    return found[1] if found else ""


def rows(markdown: str) -> dict[str, list[tuple[str, str]]]:
    """The first table: name in its first column -> (heading, cell) of the others."""
    table = re.search(r"(?:^\|.*\n)+", markdown, re.MULTILINE)[0].splitlines()
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
    return {cells[0].strip("`"): list(zip(head[1:], cells[1:], strict=True)) for cells in lines}


def as_markdown(text: str) -> str:
    """A docstring of ours, English with ````code````, in Markdown; lines like "Cost: ..." become a list."""
    text = outside_code(text, lambda piece: re.sub(r"([*_<\[\\$])", r"\\\1", piece))
    # "\" at the end of a line of a command joins lines in a docstring that is not raw: parted again
    text = re.sub(r"^( {4}\S.*?) {4,}(?=--)", r"\1 \\\n        ", text, flags=re.MULTILINE)
    return re.sub(FACTS, r"\n- **\1**", text, flags=re.MULTILINE)


def outside_code(text: str, change) -> str:
    pieces = CODE.split(text)
    pieces[::2] = map(change, pieces[::2])
    return "".join(pieces)


def fenced(text: str, suffix: str) -> str:
    fence = "`````" if "```" in text else "```"
    return f"{fence}{LANGUAGES.get(suffix, '')}\n{text.rstrip()}\n{fence}\n"


if __name__ == "__main__":
    run_cli(main)
