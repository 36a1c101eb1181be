"""``distill ...``, also ``python -m distill ...``: the project's tools, by name, from any folder."""

import ast
import os
import sys
from pathlib import Path

from distill.commands import from_here, tools
from distill.errors import run_cli, unknown

TRAINING = "distill"
HELP = """\
usage: distill --data DIR --teacher NAME_OR_FILE --student NAME     trains a student
       distill CONFIG                                               by a config file
       distill TOOL ...                                             starts a tool of these
       distill TOOL --help                                          says what it takes

tools:
"""


def main() -> None:
    """Becomes the tool that the first word names; options and a config file are those of training."""
    known = tools()
    first, *others = sys.argv[1:] or ["--help"]
    if first in ("-h", "--help"):
        print(HELP + "\n".join(f"  {name:18}{_about(path)}" for name, path in known.items()))
        return
    training = first.startswith("-") or bool(Path(first).suffix) or os.sep in first  # an option, or a config
    if not training and first not in known:
        raise unknown("tool", first, known)
    path, words = (known[TRAINING], [first, *others]) if training else (known[first], others)
    program = "/bin/sh" if path.suffix == ".sh" else sys.executable
    os.execve(program, [program, from_here(path), *words], {**os.environ, "PYTHON": sys.executable})


def _about(path: Path) -> str:
    """A tool's first sentence."""
    text = path.read_text()
    if path.suffix == ".sh":
        return text.splitlines()[1].removeprefix("# ")
    return ast.get_docstring(ast.parse(text)).splitlines()[0]


def command() -> None:
    """What the installed ``distill`` calls."""
    run_cli(main)


if __name__ == "__main__":
    command()
