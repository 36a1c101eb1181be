"""Declarations of protocols: read without running their modules, refused where they are wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from distill.errors import UserError
from distill.evaluation import evaluators_by_name
from distill.results.protocol import KINDS, Protocol, declared, table

ROOT = Path(__file__).resolve().parents[3]
TOY = """import no_such_module

PROTOCOL = Protocol(name="toy", title="Toy", kind="features", default={default})
"""


def test_what_is_declared_is_what_is_registered():
    """Word for word: the declaration that is read is the one that runs."""
    assert declared() == {name: kind.protocol for name, kind in evaluators_by_name().items()}


def test_reading_declarations_imports_nothing_heavy():
    code = "import sys; import distill.results.protocol as p; p.declared(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr


def test_a_file_is_enough_and_is_not_run(tmp_path):
    (tmp_path / "toy.py").write_text(TOY.format(default=0))
    (tmp_path / "helper.py").write_text("x = 1\n")
    assert declared(tmp_path) == {"toy": Protocol("toy", "Toy", "features")}


def test_those_that_run_unasked_come_first():
    places = [protocol.default for protocol in declared().values()]
    unasked = [place for place in places if place]
    assert places == unasked + [0] * (len(places) - len(unasked)) and unasked == sorted(unasked)


def test_every_protocol_says_all_there_is_to_say():
    for protocol in declared().values():
        assert protocol.kind in KINDS and protocol.headline in protocol.metrics
        assert protocol.title and protocol.about and protocol.paper


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOY.format(default="len('x')"), "PROTOCOL must be Protocol"),
        (TOY.format(default="0, place=1"), "PROTOCOL must be Protocol.*'place'"),
        (TOY.format(default=0).replace('"features"', '"frozen"'), "kind is 'frozen'; valid: features, "),
        (TOY.format(default=0).replace('"toy"', '"doy"'), "name is 'doy'; valid: 'toy'"),
        (TOY.format(default='0, metrics={"a": "A"}, headline="b"'), "headline is 'b'; its metrics: a"),
    ],
)
def test_a_wrong_declaration_is_one_line(tmp_path, text, message):
    (tmp_path / "toy.py").write_text(text)
    with pytest.raises(UserError, match=message):
        declared(tmp_path)


def test_docs_and_readme_show_all_protocols():
    """Paste what ``python -m distill.results.protocol`` prints."""
    assert "\n".join(table(declared())) in (ROOT / "docs/evaluation.md").read_text()
    assert f"--protocols {','.join(declared())}`" in (ROOT / "README.md").read_text()
