"""Names of files and folders in Python and YAML text: quoted, so that they can run nothing."""

from __future__ import annotations

from pprint import pformat

BRACES = ("{{", "{\\x7b")  # the same string, in which mmengine finds no ``{{ name }}`` to replace


class Expression(str):
    """Python code that ``literal`` copies as it is."""

    def __repr__(self) -> str:
        return str(self)


def quoted(text: str) -> str:
    """``text`` as a Python string on one line, ASCII alone: for comments and code of any file."""
    return ascii(text).replace(*BRACES)


def literal(value: object) -> str:
    """Dicts, lists, tuples, strings and numbers as Python code."""
    return pformat(value, width=108, sort_dicts=False).replace(*BRACES)


def comment(*lines: str) -> str:
    """A comment of Python or YAML, one line for each of ``lines``; names in them are ``quoted``."""
    return "".join(f"# {' '.join(line.splitlines())}\n" for line in lines)
