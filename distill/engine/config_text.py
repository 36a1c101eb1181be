"""A config as Python text that gives back exactly its settings, whatever stands in them.

mmengine's own text pastes the keys of dicts into the code, has no word for infinity, and when it is read
``{{ fileDirname }}`` and the like within any text are replaced.
"""

from __future__ import annotations

import keyword
import re

import numpy as np
from mmengine.config import Config

from distill.errors import UserError

WIDTH = 108
BRACES = ("{{", "{\\x7b")  # the same text, in which mmengine finds nothing to replace


class PlainConfig(Config):
    """mmengine's config with ``config_text`` for its text, which runs log, keep and are repeated from."""

    @property
    def pretty_text(self) -> str:
        return config_text(self)


def config_text(config: Config) -> str:
    """The settings, sorted by name, as a config file.

    Raises:
        UserError: a value other than numbers, texts, None, and dicts, lists and tuples of them.
    """
    settings = sorted(config.to_dict().items())
    return "".join(f"{key} = {_text(value, key, 0)}\n" for key, value in settings)


def _text(value: object, where: str, indent: int) -> str:
    """``value`` as Python, over several lines where one would be too long."""
    if not isinstance(value, dict | list | tuple):
        return _single(value, where)
    if isinstance(value, dict):
        begin, parts, end = _of_dict(value, where, indent)
    else:
        parts = [_text(part, f"{where}.{place}", indent + 4) for place, part in enumerate(value)]
        begin, end = "[]" if isinstance(value, list) else ("(", ",)" if len(value) == 1 else ")")
    line = f"{begin}{', '.join(parts)}{end}"
    if len(line) + indent + len(where.rpartition(".")[2]) <= WIDTH and "\n" not in line:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{part},\n" for part in parts)
    return f"{begin}\n{inner}{' ' * indent}{end[-1]}"


def _of_dict(value: dict, where: str, indent: int) -> tuple[str, list[str], str]:
    """Beginning, parts and end of ``dict(a=1)``, or of ``{"a": 1}`` where a key is no name."""
    found = [
        (key, _text(part, f"{where}.{key}", indent + 4))
        for key, part in sorted(value.items(), key=lambda pair: str(pair[0]))
    ]
    if all(map(_is_name, value)):
        return "dict(", [f"{key}={text}" for key, text in found], ")"
    return "{", [f"{_single(key, where)}: {text}" for key, text in found], "}"


def _is_name(key: object) -> bool:
    if not isinstance(key, str) or not re.fullmatch("[A-Za-z_][A-Za-z_0-9]*", key):
        return False
    return not keyword.iskeyword(key) and key != "__debug__"


def _single(value: object, where: str) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return str.__repr__(value).replace(*BRACES)
    if isinstance(value, float):
        return float.__repr__(value) if abs(value) < float("inf") else f"float('{float(value)}')"
    if value is None or isinstance(value, bool | int):
        return repr(value)
    shown = f"{value!r:.60}".replace("\n", " ")
    raise UserError(f"config key {where} is {shown}; valid: numbers, texts, and lists and dicts of them")
