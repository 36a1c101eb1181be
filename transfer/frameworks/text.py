"""Names of files and folders in Python and YAML text: quoted, so that they can run nothing."""

from __future__ import annotations

import math
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
    return pformat(_spelled(value), width=108, sort_dicts=False).replace(*BRACES)


def _spelled(value: object) -> object:
    """``value`` with code in place of infinities and NaN, for which Python has no word."""
    if isinstance(value, dict):
        return {key: _spelled(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_spelled, value))
    if isinstance(value, float) and not math.isfinite(value):
        return Expression(f"float('{value}')")
    return value


def comment(*lines: str) -> str:
    """A comment of Python or YAML, one line for each of ``lines``; names in them are ``quoted``."""
    return "".join(f"# {' '.join(line.splitlines())}\n" for line in lines)
