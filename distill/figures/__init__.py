"""Pictures of what networks have learned: one file a figure.

A module here that defines ``draw(material, subjects)``, which yields ``Drawing``s, is found by itself. The
first line of its docstring says in ``tools/figures.py --help`` what it shows.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill.figures.drawing import Drawing
    from distill.figures.material import Material, Subject


def names() -> dict[str, str]:
    """Name of each figure -> what it shows; read without importing matplotlib or torch."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        module = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "draw" for node in module.body):
            found[path.stem] = ast.get_docstring(module).partition("\n")[0]
    return found


def drawer(name: str) -> "Callable[[Material, Sequence[Subject]], Iterator[Drawing]]":
    """The function that draws a figure of ``names``."""
    return import_module(f"{__name__}.{name}").draw
